//! What a node tells a runtime, and what it hears back. All plain data, serialisable, because runtimes keep it across restarts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Interactive, NetworkAttachment};

/// What a runtime says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// For `status.nodeInfo.containerRuntimeVersion`, for example `wasmtime://48.0.8`.
    pub version: String,
    /// Host interfaces or features offered, for labels and messages, for example `wasi:http/incoming-handler@0.2`.
    pub features: Vec<String>,
}

/// How strongly a sandbox is kept apart from others, from the pod's RuntimeClass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// One process per namespace.
    #[default]
    Namespace,
    /// One process per pod.
    Pod,
    /// One process per node.
    Node,
}

/// The sandbox of one pod.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxConfig {
    /// Unique on the node and stable across the agent's restarts: the pod's UID, with the attempt when there were several.
    pub id: String,
    /// The pod it belongs to.
    pub pod_namespace: String,
    /// The pod it belongs to.
    pub pod_name: String,
    /// The pod it belongs to.
    pub pod_uid: String,
    /// What `gethostname` answers inside.
    pub hostname: String,
    /// The pod's network, made by the node before; `None` leaves it to a runtime that makes networks.
    pub network: Option<NetworkAttachment>,
    /// Name servers, search domains and options, as in resolv.conf.
    pub dns: DnsConfig,
    /// Labels of the pod.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    pub annotations: BTreeMap<String, String>,
    /// How far it is kept apart from other pods.
    pub isolation: Isolation,
    /// What its containers share with the node and among each other.
    #[serde(default)]
    pub shared: Shared,
    /// Kernel parameters of the pod's own namespaces.
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
    /// Ports of the node that lead to ports of the pod.
    #[serde(default)]
    pub host_ports: Vec<HostPort>,
    /// What its containers may use together.
    #[serde(default)]
    pub resources: PodResources,
}

/// Namespaces that a pod's containers do not have for themselves, and what that takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// They see the node's processes (`hostPID`).
    pub host_processes: bool,
    /// They share memory with the node's processes (`hostIPC`).
    pub host_ipc: bool,
    /// They see each other's processes (`shareProcessNamespace`).
    pub processes: bool,
    /// One of them is privileged.
    pub privileged: bool,
    /// Their users are to be nobody on the node (`hostUsers: false`).
    #[serde(default)]
    pub own_users: bool,
}

/// What the containers of a pod may use together, and how the pod stands among others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodResources {
    /// Its class of service.
    pub class: ServiceClass,
    /// Weight among pods that compete, in thousandths of a core.
    pub cpu_request_millis: u64,
    /// Hard CPU limit in thousandths of a core; `None` is unlimited.
    pub cpu_limit_millis: Option<u64>,
    /// Hard memory limit in bytes; `None` is unlimited.
    pub memory_limit_bytes: Option<u64>,
}

/// The class of service of a pod (`status.qosClass`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceClass {
    /// Every container has limits, and asks for as much.
    Guaranteed,
    /// Something is asked for or limited.
    Burstable,
    /// Nothing is.
    #[default]
    BestEffort,
}

/// A port of the node that leads to one of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPort {
    /// The node's port.
    pub host_port: u16,
    /// The address of the node it is open on; all when empty.
    pub host_ip: String,
    /// The pod's port.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

/// Name resolution inside a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsConfig {
    /// Name servers to ask, in order.
    pub servers: Vec<IpAddr>,
    /// Search domains.
    pub searches: Vec<String>,
    /// `ndots:5` and the like.
    pub options: Vec<String>,
}

/// One sandbox as the runtime knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxStatus {
    /// As given in [`SandboxConfig::id`].
    pub id: String,
    /// As given in [`SandboxConfig::pod_uid`].
    pub pod_uid: String,
    /// False once its process is gone: the node closes it and opens another.
    pub ready: bool,
}

/// Which image to get and how.
#[derive(Clone, Debug, Default)]
pub struct ImagePull {
    /// As written in the pod: `host/name:tag` or `host/name@sha256:…`.
    pub reference: String,
    /// Tried in order, then anonymously.
    pub credentials: Vec<Credentials>,
    /// Registries (host or host:port) that speak plain HTTP.
    pub plain_http: Vec<String>,
}

/// A user name and password for one registry host.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Host or host:port the credentials are for.
    pub registry: String,
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}@{})", self.username, self.registry)
    }
}

/// An image on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Names it is known by.
    pub references: Vec<String>,
    /// `sha256:…` of the manifest: what `imageID` shows after the name.
    pub digest: String,
    /// Bytes on disk.
    pub size: u64,
    /// Entry point and command of the image's own configuration, when it has one.
    pub command: Vec<String>,
    /// The image serves requests (`wasi:http/incoming-handler`) and does not end by itself.
    pub serves: bool,
}

/// One container to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// Unique on the node: pod UID, container name and attempt.
    pub id: String,
    /// The sandbox it runs in.
    pub sandbox: String,
    /// The container's name in the pod.
    pub name: String,
    /// How often it was started before in this pod.
    pub attempt: u32,
    /// An image pulled before, by digest.
    pub image: String,
    /// The program's name and its arguments; empty means the image's own.
    pub command: Vec<String>,
    /// Arguments after the command.
    pub args: Vec<String>,
    /// Environment, expanded.
    pub env: Vec<(String, String)>,
    /// Working directory; empty means the image's own.
    pub working_dir: String,
    /// What is mounted, already prepared on the node's disk.
    pub mounts: Vec<Mount>,
    /// Container ports; a serving image listens on the first.
    pub ports: Vec<ContainerPort>,
    /// Limits that bind.
    pub resources: Resources,
    /// Who its processes are and what they may do.
    #[serde(default)]
    pub security: Security,
    /// Where output goes, in CRI log format.
    pub log: LogConfig,
    /// What clients may attach to.
    #[serde(default)]
    pub interactive: Interactive,
}

/// A directory or file of the node inside a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where it lies on the node.
    pub source: PathBuf,
    /// Where the container sees it; absolute.
    pub target: PathBuf,
    /// No writing.
    pub read_only: bool,
}

/// A port a container listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerPort {
    /// Its name, or empty.
    pub name: String,
    /// The port number inside the pod.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

/// Limits and shares of one container. `None` is unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Hard CPU limit in thousandths of a core.
    pub cpu_limit_millis: Option<u64>,
    /// Weight among containers that compete, in thousandths of a core.
    pub cpu_request_millis: Option<u64>,
    /// Hard memory limit in bytes; going over it ends the container with [`ExitReason::OomKilled`].
    pub memory_limit_bytes: Option<u64>,
    /// How soon the kernel picks its processes when the whole machine is out of memory: -1000 never, 1000 first.
    #[serde(default)]
    pub oom_score_adj: i64,
}

/// Who a container's processes are and what they may do. The default is an ordinary container's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// User ID; the image's own when not given.
    pub user: Option<i64>,
    /// Group ID; the image's own when not given.
    pub group: Option<i64>,
    /// Further group IDs.
    pub groups: Vec<i64>,
    /// Nobody else than root will do for the image, but root is not wanted: making such a container fails.
    pub not_root: bool,
    /// All capabilities, all devices, nothing masked.
    pub privileged: bool,
    /// The image's files cannot be written to.
    pub read_only_root: bool,
    /// Programs gain no privileges by being started.
    pub no_new_privileges: bool,
    /// Capabilities beside the usual ones, without `CAP_`.
    pub add_capabilities: Vec<String>,
    /// Usual capabilities it goes without; `ALL` means all.
    pub drop_capabilities: Vec<String>,
    /// Which system calls it may make.
    pub seccomp: Seccomp,
    /// Another container of the sandbox, by its id, whose processes it sees and may touch.
    #[serde(default)]
    pub sees: Option<String>,
}

/// Which system calls a container may make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// The runtime's own choice of harmless ones.
    #[default]
    RuntimeDefault,
    /// All.
    Unconfined,
    /// What the profile in this file of the node says.
    Localhost(PathBuf),
}

/// Where the log goes and how it is bounded. The runtime writes CRI log lines (`TIME STREAM TAG TEXT`) and rotates
/// `path` to `path.1`, `path.2`, … by itself when it grows over `max_bytes`, keeping `max_files` files in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    /// The file written now.
    pub path: PathBuf,
    /// Bytes before a file is rotated.
    pub max_bytes: u64,
    /// Files kept, the current one included.
    pub max_files: u32,
}

/// Where in its life a container is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Running since.
    Running {
        /// Nanoseconds since the Unix epoch.
        started_at: i128,
    },
    /// Ended.
    Exited {
        /// Nanoseconds since the Unix epoch.
        started_at: i128,
        /// Nanoseconds since the Unix epoch.
        finished_at: i128,
        /// How it ended.
        exit: Exit,
    },
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The guest's exit code; 137 when killed, 134 for a trap.
    pub code: i32,
    /// Why, in the words of a container status.
    pub reason: ExitReason,
    /// What a person should know: the trap and where it happened.
    pub message: String,
}

/// Why a container ended, as `state.terminated.reason` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitReason {
    /// Exit code 0.
    Completed,
    /// Any other exit code, a trap, a kill.
    Error,
    /// It wanted more memory than its limit.
    OomKilled,
    /// It could not be started.
    StartError,
}

impl ExitReason {
    /// The word Kubernetes uses.
    pub fn as_str(self) -> &'static str {
        match self {
            ExitReason::Completed => "Completed",
            ExitReason::Error => "Error",
            ExitReason::OomKilled => "OOMKilled",
            ExitReason::StartError => "StartError",
        }
    }
}

/// One container as the runtime knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// As given in [`ContainerConfig::id`].
    pub id: String,
    /// The sandbox it belongs to.
    pub sandbox: String,
    /// The container's name in the pod.
    pub name: String,
    /// As given in [`ContainerConfig::attempt`].
    pub attempt: u32,
    /// Digest of its image.
    pub image: String,
    /// Where in its life it is.
    pub state: ContainerState,
    /// Where its log lies.
    pub log_path: PathBuf,
    /// What the runtime's own tools call it, for `containerID`; empty when that is its id.
    #[serde(default)]
    pub known_as: String,
}

/// Something happened; list to know what is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The container started, ended or was removed.
    Container {
        /// Its sandbox.
        sandbox: String,
        /// Its id.
        container: String,
    },
    /// The sandbox's process is gone.
    SandboxLost {
        /// Its id.
        sandbox: String,
    },
    /// Some events were dropped.
    Lagged,
}

/// Which question a probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeKind {
    /// Should it be restarted?
    Live,
    /// Should it get traffic?
    Ready,
}

/// Figures of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerStats {
    /// CPU time used since its start.
    pub cpu_usage: Duration,
    /// Bytes of memory held now.
    pub memory_bytes: u64,
}

//! A container: what a node tells a runtime of it, and what it hears back.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Interactive;

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

/// Figures of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerStats {
    /// CPU time used since its start.
    pub cpu_usage: Duration,
    /// Bytes of memory held now.
    pub memory_bytes: u64,
}

//! The sandbox of a pod: what a node tells a runtime of it, and what it hears back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::NetworkAttachment;

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

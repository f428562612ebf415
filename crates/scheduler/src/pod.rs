//! A pod as the scheduler sees it: what it asks for, read once when it enters the queue.

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Pod, PodSpec};
use sampan_meta::NamespacedName;

use crate::Resources;

/// A port of the node that a pod wants for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Address of the node; `0.0.0.0` is all of them.
    pub ip: String,
    /// Port number.
    pub port: i32,
}

impl HostPort {
    /// Whether both cannot be had on one node.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let everywhere = |ip: &str| ip == "0.0.0.0" || ip == "::";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || everywhere(&self.ip) || everywhere(&other.ip))
    }
}

/// What a pod asks of a node.
#[derive(Clone, Debug)]
pub struct PodRequest {
    /// Its name.
    pub name: NamespacedName,
    /// Its UID: what is queued, assumed and forgotten.
    pub uid: String,
    /// Higher goes first.
    pub priority: i32,
    /// Sum of its requests.
    pub resources: Resources,
    /// Ports it wants on the node.
    pub host_ports: Vec<HostPort>,
    /// The pod itself, for plugins that look deeper.
    pub pod: Arc<Pod>,
}

impl PodRequest {
    /// Reads a pod. A pod without a spec asks for nothing.
    pub fn new(pod: Arc<Pod>) -> Self {
        let empty = PodSpec::default();
        let spec = pod.spec.as_ref().unwrap_or(&empty);
        let metadata = &pod.metadata;
        Self {
            name: NamespacedName {
                namespace: metadata.namespace.clone().unwrap_or_default(),
                name: metadata.name.clone().unwrap_or_default(),
            },
            uid: metadata.uid.clone().unwrap_or_default(),
            priority: spec.priority.unwrap_or(0),
            resources: Resources::requested_by(spec),
            host_ports: host_ports(spec),
            pod,
        }
    }

    /// Its spec; empty when it has none.
    pub fn spec(&self) -> Option<&PodSpec> {
        self.pod.spec.as_ref()
    }
}

fn host_ports(spec: &PodSpec) -> Vec<HostPort> {
    let sidecars =
        spec.init_containers.iter().flatten().filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| {
            let number = port.host_port.filter(|number| *number > 0)?;
            let ip = port.host_ip.clone().filter(|ip| !ip.is_empty()).unwrap_or_else(|| "0.0.0.0".into());
            Some(HostPort { protocol: port.protocol.clone().unwrap_or_else(|| "TCP".into()), ip, port: number })
        })
        .collect()
}

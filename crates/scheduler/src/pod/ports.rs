//! Ports of the node that a pod wants for itself.

use sampan_api::k8s::api::core::v1::PodSpec;

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

    /// Those of all containers and sidecars.
    pub(super) fn all(spec: &PodSpec) -> Vec<Self> {
        let sidecar = |container: &&sampan_api::k8s::api::core::v1::Container| {
            container.restart_policy.as_deref() == Some("Always")
        };
        let sidecars = spec.init_containers.iter().flatten().filter(sidecar);
        let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
        ports
            .filter_map(|port| {
                let number = port.host_port.filter(|number| *number > 0)?;
                let ip = port.host_ip.clone().filter(|ip| !ip.is_empty()).unwrap_or_else(|| "0.0.0.0".into());
                Some(Self { protocol: port.protocol.clone().unwrap_or_else(|| "TCP".into()), ip, port: number })
            })
            .collect()
    }
}

//! From the node's words to CRI's and back: pure functions.

mod container;
mod sandbox;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use container::{CPU_PERIOD, container, cpu_quota, cpu_shares};
pub(crate) use sandbox::{host, network, sandbox};
pub(crate) use status::status;

use sampan_runtime::Shared;

use crate::cri::{NamespaceMode, NamespaceOption};

/// The namespaces of a pod and, but for `pid`, of its containers.
fn namespaces(shared: &Shared, on_host: bool) -> NamespaceOption {
    let node_if = |host: bool| if host { NamespaceMode::Node } else { NamespaceMode::Pod };
    let pid = match shared {
        Shared { host_processes: true, .. } => NamespaceMode::Node,
        Shared { processes: true, .. } => NamespaceMode::Pod,
        _ => NamespaceMode::Container,
    };
    NamespaceOption {
        network: node_if(on_host).into(),
        pid: pid.into(),
        ipc: node_if(shared.host_ipc).into(),
        target_id: String::new(),
    }
}

//! What a pod's sandbox is to be, from its specification.

use sampan_api::k8s::api::core::v1::{Container, Pod};
use sampan_runtime::{HostPort, Isolation, NetworkAttachment, SandboxConfig, Shared};

use super::{dns, facts, resources, security};
use crate::context::Context;
use crate::runtimes;

/// `network` is the pod's, or `None` when the runtime makes it.
pub(crate) fn config(
    context: &Context,
    pod: &Pod,
    network: Option<NetworkAttachment>,
    isolation: Isolation,
    attempt: u32,
) -> SandboxConfig {
    SandboxConfig {
        id: runtimes::sandbox_id(facts::uid(pod), attempt),
        pod_namespace: facts::namespace(pod).to_owned(),
        pod_name: facts::name(pod).to_owned(),
        pod_uid: facts::uid(pod).to_owned(),
        hostname: hostname(pod),
        network,
        dns: dns::config(context, pod),
        labels: pod.metadata.labels.clone().unwrap_or_default(),
        annotations: pod.metadata.annotations.clone().unwrap_or_default(),
        isolation,
        shared: shared(pod),
        sysctls: sysctls(pod),
        host_ports: host_ports(pod),
        resources: resources::resources(pod),
    }
}

/// Linux knows at most 63 letters.
pub(crate) fn hostname(pod: &Pod) -> String {
    let own = facts::spec(pod).and_then(|spec| spec.hostname.clone());
    let name = own.unwrap_or_else(|| facts::name(pod).to_owned());
    name.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

fn shared(pod: &Pod) -> Shared {
    let is = |flag: Option<bool>| flag.unwrap_or(false);
    let spec = facts::spec(pod);
    Shared {
        host_processes: is(spec.and_then(|spec| spec.host_pid)),
        host_ipc: is(spec.and_then(|spec| spec.host_ipc)),
        processes: is(spec.and_then(|spec| spec.share_process_namespace)),
        privileged: facts::all_containers(pod).any(security::is_privileged),
        own_users: spec.and_then(|spec| spec.host_users) == Some(false),
    }
}

fn sysctls(pod: &Pod) -> std::collections::BTreeMap<String, String> {
    let context = facts::spec(pod).and_then(|spec| spec.security_context.as_ref());
    let sysctls = context.and_then(|context| context.sysctls.as_ref()).into_iter().flatten();
    sysctls.map(|sysctl| (sysctl.name.clone(), sysctl.value.clone())).collect()
}

/// On the node's own network a port is where it is anyway.
fn host_ports(pod: &Pod) -> Vec<HostPort> {
    if facts::host_network(pod) {
        return Vec::new();
    }
    let ports = |container: &Container| container.ports.clone().unwrap_or_default();
    let all = facts::containers(pod).chain(facts::init_containers(pod).filter(|init| facts::is_sidecar(init)));
    let mapped = all.flat_map(ports).filter_map(|port| {
        Some(HostPort {
            host_port: u16::try_from(port.host_port?).ok().filter(|port| *port != 0)?,
            host_ip: port.host_ip.unwrap_or_default(),
            port: u16::try_from(port.container_port).ok()?,
            protocol: port.protocol.unwrap_or_else(|| "TCP".to_owned()),
        })
    });
    mapped.collect()
}

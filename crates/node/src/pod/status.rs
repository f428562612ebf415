//! What to say of a pod: a pure function, as `generateAPIPodStatus` (pkg/kubelet/kubelet_pods.go) and `status/generate.go`.

mod conditions;
mod containers;
mod phase;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{HostIP, Pod, PodIP, PodStatus};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;

use super::facts;
use super::state::PodState;

/// What of the node shows in a pod's status.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    /// The node's address.
    pub address: IpAddr,
    /// The handlers of its runtimes, by position: the scheme of `containerID`.
    pub handlers: Vec<&'static str>,
}

/// The status of a pod now. `last` is what was said before: conditions keep their transition times and a terminal phase stays.
pub fn status(pod: &Pod, state: &PodState, last: Option<&PodStatus>, node: &NodeFacts, now: Timestamp) -> PodStatus {
    let phase = phase::phase(pod, state, last);
    let address = if facts::host_network(pod) { state.address.map(|_| node.address) } else { state.address };
    let (reason, message) = reason(state, phase, last);
    PodStatus {
        phase: Some(phase.to_owned()),
        conditions: Some(conditions::conditions(pod, state, phase, last, now)),
        init_container_statuses: containers::init(pod, state, node),
        container_statuses: Some(containers::main(pod, state, node)),
        ephemeral_container_statuses: containers::ephemeral(pod, state, node),
        host_ip: Some(node.address.to_string()),
        host_ips: Some(vec![HostIP { ip: node.address.to_string() }]),
        pod_ip: address.map(|address| address.to_string()),
        pod_ips: address.map(|address| vec![PodIP { ip: address.to_string() }]),
        start_time: Some(Time(whole_seconds(state.since))),
        qos_class: Some(facts::qos_class(pod).to_owned()),
        observed_generation: pod.metadata.generation,
        reason,
        message,
        ..PodStatus::default()
    }
}

/// Times in the API have whole seconds; what is compared with an answer of the server must have them too.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::new(time.as_second(), 0).unwrap_or(time)
}

fn reason(state: &PodState, phase: &str, last: Option<&PodStatus>) -> (Option<String>, Option<String>) {
    // An agent that comes back knows no more why a pod failed than it said itself.
    if let Some(last) = last.filter(|last| last.phase.as_deref() == Some("Failed")) {
        return (last.reason.clone(), last.message.clone());
    }
    if let Some(eviction) = state.evicted.as_ref().filter(|_| phase == "Failed") {
        return (Some(eviction.reason.to_owned()), Some(eviction.message.clone()));
    }
    if phase == "Failed" && state.deadline_exceeded {
        let message = "Pod was active on the node longer than the specified deadline";
        return (Some("DeadlineExceeded".to_owned()), Some(message.to_owned()));
    }
    (None, None)
}

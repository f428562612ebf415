//! The pod's phase, as `getPhase` of pkg/kubelet/kubelet_pods.go.

use sampan_api::k8s::api::core::v1::{Container, Pod, PodStatus};

use crate::pod::facts::{self, RestartPolicy};
use crate::pod::state::{ContainerState, PodState};

pub(super) fn phase(pod: &Pod, state: &PodState, last: Option<&PodStatus>) -> &'static str {
    match last.and_then(|last| last.phase.as_deref()) {
        Some("Succeeded") => return "Succeeded",
        Some("Failed") => return "Failed",
        _ => {}
    }
    let any_alive = state.containers.values().any(|container| container.is_running() || container.starting);
    if state.ending.is_some() && !any_alive { ended(pod, state) } else { living(pod, state) }
}

/// A terminal phase is told only once nothing runs any more.
fn ended(pod: &Pod, state: &PodState) -> &'static str {
    if state.deadline_exceeded || state.evicted.is_some() || init_failed(pod, state) {
        return "Failed";
    }
    let exits: Vec<_> =
        facts::containers(pod).map(|container| known(state, container).and_then(ContainerState::exit)).collect();
    if exits.iter().all(Option::is_none) {
        return "Pending";
    }
    let all_succeeded = exits.iter().all(|exit| exit.is_some_and(|exit| exit.code == 0));
    if all_succeeded { "Succeeded" } else { "Failed" }
}

fn init_failed(pod: &Pod, state: &PodState) -> bool {
    let failed = |container: &Container| {
        !facts::is_sidecar(container)
            && known(state, container).and_then(ContainerState::exit).is_some_and(|exit| exit.code != 0)
    };
    facts::init_containers(pod).any(failed)
}

fn living(pod: &Pod, state: &PodState) -> &'static str {
    if !facts::is_initialized(pod, state) {
        return "Pending";
    }
    let (mut running, mut stopped, mut waiting) = (0, 0, 0);
    for container in facts::containers(pod) {
        match known(state, container) {
            Some(known) if known.is_running() => running += 1,
            Some(known) if known.exit().is_some() || known.previous.is_some() => stopped += 1,
            _ => waiting += 1,
        }
    }
    let restarts = facts::restart_policy(pod) != RestartPolicy::Never;
    if waiting == 0 && (running > 0 || (stopped > 0 && restarts) || all_exited(pod, state)) {
        "Running"
    } else {
        "Pending"
    }
}

/// All have exited, but the pod is not closed yet: it goes on as what it was.
fn all_exited(pod: &Pod, state: &PodState) -> bool {
    facts::containers(pod).all(|container| known(state, container).and_then(ContainerState::exit).is_some())
}

fn known<'a>(state: &'a PodState, container: &Container) -> Option<&'a ContainerState> {
    state.containers.get(&container.name)
}

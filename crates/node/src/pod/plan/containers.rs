//! Init containers in order, sidecars, then the containers proper.

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Container, Pod};

use super::{Action, Plan, Stop, run};
use crate::pod::facts::{self, RestartPolicy};
use crate::pod::state::{ContainerState, PodState, Why, later};

pub(super) fn plan(pod: &Pod, state: &PodState, now: Timestamp, plan: &mut Plan) {
    condemn(pod, state, now, plan);
    look_into(pod, state, now, plan);
    match initialize(pod, state, now, plan) {
        Init::Waiting => {}
        Init::Failed => plan.act(Action::End(Why::Done)),
        Init::Done => work(pod, state, now, plan),
    }
}

/// Stops what a probe condemned.
fn condemn(pod: &Pod, state: &PodState, now: Timestamp, plan: &mut Plan) {
    for container in facts::all_containers(pod) {
        let Some(known) = state.containers.get(&container.name) else { continue };
        let Some(condemned) = &known.health.condemned else { continue };
        if known.is_running() && known.stopping.is_none() {
            let grace = condemned.grace.unwrap_or_else(|| facts::grace_period(pod));
            let stop =
                Stop { container: container.name.clone(), deadline: later(now, grace), probe: Some(condemned.probe) };
            plan.act(Action::Stop(stop));
        }
    }
}

/// Starts ephemeral containers, whatever the others do; none is started twice.
fn look_into(pod: &Pod, state: &PodState, now: Timestamp, plan: &mut Plan) {
    for container in facts::ephemeral_containers(pod) {
        let ran = state.containers.get(&container.name).is_some_and(|known| known.next_run() > 0);
        if !ran {
            run(pod, &container.name, state, now, plan);
        }
    }
}

enum Init {
    /// Something has to end or come up first.
    Waiting,
    /// One failed for good.
    Failed,
    /// The containers proper may run.
    Done,
}

fn initialize(pod: &Pod, state: &PodState, now: Timestamp, plan: &mut Plan) -> Init {
    let initialized = facts::is_initialized(pod, state);
    for container in facts::init_containers(pod) {
        let known = state.containers.get(&container.name);
        if facts::is_sidecar(container) {
            if !is_up(known) {
                if !known.is_some_and(ContainerState::is_running) {
                    run(pod, &container.name, state, now, plan);
                }
                if !initialized {
                    return Init::Waiting;
                }
            }
            continue;
        }
        if initialized {
            continue;
        }
        match known.and_then(ContainerState::exit) {
            Some(exit) if exit.code == 0 => {}
            Some(_) if facts::restart_policy(pod) == RestartPolicy::Never => return Init::Failed,
            _ if known.is_some_and(ContainerState::is_running) => return Init::Waiting,
            _ => {
                run(pod, &container.name, state, now, plan);
                return Init::Waiting;
            }
        }
    }
    Init::Done
}

/// A sidecar that the next container may rely on.
fn is_up(container: Option<&ContainerState>) -> bool {
    container.is_some_and(|container| container.is_running() && container.health.started)
}

fn work(pod: &Pod, state: &PodState, now: Timestamp, plan: &mut Plan) {
    let mut unfinished = false;
    let mut starting = false;
    for container in facts::containers(pod) {
        let known = state.containers.get(&container.name);
        if known.is_some_and(ContainerState::is_running) {
            unfinished = true;
            continue;
        }
        if !wants_to_run(container, pod, known) {
            continue;
        }
        unfinished = true;
        // One after the other, as postStart hooks may count on it; images are pulled meanwhile.
        if !starting {
            starting = run(pod, &container.name, state, now, plan);
        } else if known.is_none_or(|known| known.image == crate::pod::state::ImageState::Unknown && !known.starting) {
            plan.act(Action::Pull(container.name.clone()));
        }
    }
    if !unfinished {
        plan.act(Action::End(Why::Done));
    }
}

/// Whether a container that does not run should, as upstream's `ShouldContainerBeRestarted`.
fn wants_to_run(container: &Container, pod: &Pod, known: Option<&ContainerState>) -> bool {
    let Some(exit) = known.and_then(ContainerState::exit) else { return true };
    match facts::container_restart_policy(container, pod) {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => exit.code != 0,
        RestartPolicy::Never => false,
    }
}

//! The way out: containers first, sidecars after them in reverse order, then the sandbox, then the object.

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Container, Pod};

use super::{Action, Plan, Stop};
use crate::pod::facts;
use crate::pod::state::{Ending, PodState, Step, Why};

pub(super) fn ending(pod: &Pod, state: &PodState, now: Timestamp, plan: &mut Plan) {
    let Some(ending) = &state.ending else { return };
    if state.tear_down == Step::Done {
        if ending.why == Why::Deleted {
            plan.when(state.deletion.due(now), Action::Delete);
        }
        return;
    }
    if stop_containers(pod, state, ending, plan) {
        return;
    }
    let busy = state.volumes == Step::Working || state.network == Step::Working;
    if !busy {
        plan.when(state.tear_down.due(now), Action::TearDown);
    }
}

/// Answers whether something still runs.
fn stop_containers(pod: &Pod, state: &PodState, ending: &Ending, plan: &mut Plan) -> bool {
    let (sidecars, others): (Vec<&Container>, Vec<&Container>) =
        facts::all_containers(pod).partition(|container| facts::is_sidecar(container));
    let alive = |container: &&&Container| {
        state.containers.get(&container.name).is_some_and(|known| known.is_running() || known.starting)
    };
    let living: Vec<_> = others.iter().filter(alive).collect();
    if !living.is_empty() {
        living.iter().for_each(|container| stop(container, state, ending, plan));
        return true;
    }
    let last = sidecars.iter().rev().find(alive);
    if let Some(sidecar) = last {
        stop(sidecar, state, ending, plan);
    }
    last.is_some()
}

fn stop(container: &Container, state: &PodState, ending: &Ending, plan: &mut Plan) {
    let Some(known) = state.containers.get(&container.name) else { return };
    let in_time = known.stopping.is_some_and(|deadline| deadline <= ending.deadline);
    if known.is_running() && !in_time {
        plan.act(Action::Stop(Stop { container: container.name.clone(), deadline: ending.deadline, probe: None }));
    }
}

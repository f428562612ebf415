//! The way out: containers first, sidecars after them in reverse order, then the sandbox, then the object.

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::Pod;

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
    let is_sidecar = |name: &str| facts::container(pod, name).is_some_and(facts::is_sidecar);
    let (sidecars, others): (Vec<&str>, Vec<&str>) = facts::names(pod).partition(|name| is_sidecar(name));
    let alive = |name: &&&str| state.containers.get(**name).is_some_and(|known| known.is_running() || known.starting);
    let living: Vec<_> = others.iter().filter(alive).collect();
    if !living.is_empty() {
        living.iter().for_each(|name| stop(name, state, ending, plan));
        return true;
    }
    let last = sidecars.iter().rev().find(alive);
    if let Some(sidecar) = last {
        stop(sidecar, state, ending, plan);
    }
    last.is_some()
}

fn stop(name: &str, state: &PodState, ending: &Ending, plan: &mut Plan) {
    let Some(known) = state.containers.get(name) else { return };
    let in_time = known.stopping.is_some_and(|deadline| deadline <= ending.deadline);
    if known.is_running() && !in_time {
        plan.act(Action::Stop(Stop { container: name.to_owned(), deadline: ending.deadline, probe: None }));
    }
}

//! What to do next for a pod: a pure function, as upstream's `computePodActions` (pkg/kubelet/kuberuntime/kuberuntime_manager.go).

mod containers;
mod out;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::Pod;

use super::facts;
use super::state::{Due, ImageState, PodState, Step, Why};

/// One thing to do. Each is done once and marked in the state as under way, so that a second plan does not ask for it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Prepare the volumes, or bring them up to date.
    Mount,
    /// Give the pod its network.
    Attach,
    /// Close lost sandboxes; all containers begin anew.
    Reset,
    /// Find the container's image, pulling it if the policy says so.
    Pull(String),
    /// Tell the world that the container waits before it is tried again.
    BackOff(String),
    /// Make and start the container's next run.
    Start(String),
    /// End the container's current run.
    Stop(Stop),
    /// The pod's work is over for that reason.
    End(Why),
    /// Close sandboxes and give the address back.
    TearDown,
    /// Nothing is left on the node: let the object go.
    Delete,
}

/// How a container is to be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Which.
    pub container: String,
    /// By when it has to be gone.
    pub deadline: Timestamp,
    /// For the event: what condemned it, if a probe did.
    pub probe: Option<&'static str>,
}

/// What to do now, and when to look again if nothing happens before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub actions: Vec<Action>,
    /// The next time something is due.
    pub wake: Option<Timestamp>,
}

impl Plan {
    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn wake_at(&mut self, time: Timestamp) {
        self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
    }

    /// Acts when it is time to, and wakes when it will be.
    fn when(&mut self, due: Due, action: Action) {
        match due {
            Due::Now => self.act(action),
            Due::At(time) => self.wake_at(time),
            Due::Never => {}
        }
    }
}

/// Plans the next steps of a pod. Carrying them out and planning again with nothing changed gives an empty plan.
pub fn plan(pod: &Pod, state: &PodState, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    if state.ending.is_some() {
        out::ending(pod, state, now, &mut plan);
        return plan;
    }
    if let Some(deadline) = facts::active_deadline(pod, state.since) {
        if deadline <= now {
            plan.act(Action::End(Why::DeadlineExceeded));
            return plan;
        }
        plan.wake_at(deadline);
    }
    if state.lost {
        reset(state, &mut plan);
        return plan;
    }
    prepare(pod, state, now, &mut plan);
    containers::plan(pod, state, now, &mut plan);
    plan
}

/// Waits for what is under way in the lost sandbox, then begins anew.
fn reset(state: &PodState, plan: &mut Plan) {
    let busy = state.containers.values().any(|container| container.starting);
    if !busy && state.tear_down != Step::Working {
        plan.act(Action::Reset);
    }
}

fn prepare(pod: &Pod, state: &PodState, now: Timestamp, plan: &mut Plan) {
    plan.when(state.volumes.due(now), Action::Mount);
    if facts::has_runtime_class(pod) || has_chosen(state) {
        plan.when(state.network.due(now), Action::Attach);
    }
    if let (Step::Done, Some(refresh)) = (&state.volumes, state.refresh_volumes_at) {
        let due = if refresh <= now { Due::Now } else { Due::At(refresh) };
        plan.when(due, Action::Mount);
    }
}

/// It is known which runtime the network is for.
fn has_chosen(state: &PodState) -> bool {
    let found = |container: &super::state::ContainerState| matches!(container.image, ImageState::Ready(_));
    !state.chooses || state.containers.values().any(found)
}

/// The RuntimeClass says who runs the images, and it is looked up with the network.
fn waits_for_class(pod: &Pod, state: &PodState) -> bool {
    state.chooses && facts::has_runtime_class(pod) && state.network != Step::Done
}

/// Brings a container that should run a step closer to it. Answers whether a start is under way, which later containers wait for.
fn run(pod: &Pod, name: &str, state: &PodState, now: Timestamp, plan: &mut Plan) -> bool {
    let known = state.containers.get(name);
    if known.is_some_and(|known| known.starting || known.stopping.is_some()) {
        return known.is_some_and(|known| known.starting);
    }
    if let Some(known) = known {
        plan.when(known.back_off_due(now), Action::BackOff(name.to_owned()));
    }
    if let Some(until) = known.and_then(|known| waits_until(known, now)) {
        plan.wake_at(until);
        return false;
    }
    match known.map_or(&ImageState::Unknown, |known| &known.image) {
        ImageState::Unknown if waits_for_class(pod, state) => {}
        ImageState::Unknown => plan.act(Action::Pull(name.to_owned())),
        ImageState::Pulling { .. } => {}
        ImageState::Failed(failure) if failure.retry_at <= now => plan.act(Action::Pull(name.to_owned())),
        ImageState::Failed(failure) => plan.wake_at(failure.retry_at),
        ImageState::Ready(_) if state.volumes != Step::Done || state.network != Step::Done => {}
        ImageState::Ready(_) => {
            plan.act(Action::Start(name.to_owned()));
            return true;
        }
    }
    false
}

/// Until when backoff holds a container back.
fn waits_until(container: &super::state::ContainerState, now: Timestamp) -> Option<Timestamp> {
    let failed = container.failure.as_ref().map(|failure| failure.retry_at);
    container.backoff_until().into_iter().chain(failed).filter(|until| *until > now).max()
}

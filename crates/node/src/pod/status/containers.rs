//! Statuses of containers.

use sampan_api::k8s::api::core::v1::{
    Container, ContainerState as ApiState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, Pod,
};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;

use super::{NodeFacts, whole_seconds};
use crate::pod::facts;
use crate::pod::state::{ContainerState, Failure, ImageState, PodState, Run, RunPhase};

pub(super) fn init(pod: &Pod, state: &PodState, node: &NodeFacts) -> Option<Vec<ContainerStatus>> {
    let statuses: Vec<_> = facts::init_containers(pod).map(|container| one(pod, container, state, node)).collect();
    (!statuses.is_empty()).then_some(statuses)
}

pub(super) fn main(pod: &Pod, state: &PodState, node: &NodeFacts) -> Vec<ContainerStatus> {
    facts::containers(pod).map(|container| one(pod, container, state, node)).collect()
}

/// Ephemeral containers have no probes, and none is ever ready.
pub(super) fn ephemeral(pod: &Pod, state: &PodState, node: &NodeFacts) -> Option<Vec<ContainerStatus>> {
    let definitions = facts::ephemeral_containers(pod).filter_map(|own| facts::definition(pod, &own.name));
    let statuses: Vec<_> = definitions
        .map(|container| ContainerStatus { ready: false, started: None, ..one(pod, &container, state, node) })
        .collect();
    (!statuses.is_empty()).then_some(statuses)
}

/// Whether a container counts as ready; an init container does once it succeeded.
pub(super) fn is_ready(container: &Container, state: &PodState) -> bool {
    let Some(known) = state.containers.get(&container.name) else { return false };
    known.is_running() && known.health.started && known.health.ready
}

fn one(pod: &Pod, container: &Container, state: &PodState, node: &NodeFacts) -> ContainerStatus {
    let unknown = ContainerState::default();
    let known = state.containers.get(&container.name).unwrap_or(&unknown);
    let short_lived = facts::is_init(pod, &container.name) && !facts::is_sidecar(container);
    let succeeded = short_lived && known.exit().is_some_and(|exit| exit.code == 0);
    let waits = waiting(pod, container, known, state);
    let last = if waits.is_some() {
        ended(known.current.as_ref(), node).or_else(|| ended(known.previous.as_ref(), node))
    } else {
        ended(known.previous.as_ref(), node)
    };
    let shown = known.current.as_ref().or(known.previous.as_ref());
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        image_id: shown.map(|run| run.image_id.clone()).unwrap_or_default(),
        container_id: shown.map(|run| container_id(run, node)),
        restart_count: i32::try_from(restarts(known)).unwrap_or(i32::MAX),
        ready: succeeded || is_ready(container, state),
        started: Some(!short_lived && known.is_running() && known.health.started),
        last_state: Some(last.unwrap_or_default()),
        state: Some(match waits {
            Some(waits) => ApiState { waiting: Some(waits), ..ApiState::default() },
            None => known.current.as_ref().map(|run| now(run, node)).unwrap_or_default(),
        }),
        ..ContainerStatus::default()
    }
}

fn restarts(known: &ContainerState) -> u32 {
    known.current.as_ref().map_or_else(|| known.next_attempt.saturating_sub(1), |run| run.attempt)
}

fn container_id(run: &Run, node: &NodeFacts) -> String {
    format!("{}://{}", node.handlers.get(run.runtime).copied().unwrap_or_default(), run.shown)
}

fn now(run: &Run, node: &NodeFacts) -> ApiState {
    match &run.phase {
        RunPhase::Running { started_at } => ApiState {
            running: Some(ContainerStateRunning { started_at: Some(Time(whole_seconds(*started_at))) }),
            ..ApiState::default()
        },
        RunPhase::Exited(_) => ended(Some(run), node).unwrap_or_default(),
        RunPhase::Created => ApiState::default(),
    }
}

fn ended(run: Option<&Run>, node: &NodeFacts) -> Option<ApiState> {
    let run = run?;
    let RunPhase::Exited(exit) = &run.phase else { return None };
    let terminated = ContainerStateTerminated {
        container_id: Some(container_id(run, node)),
        exit_code: exit.code,
        reason: Some(exit.reason.clone()),
        message: Some(exit.message.clone()).filter(|message| !message.is_empty()),
        started_at: Some(Time(whole_seconds(exit.started_at))),
        finished_at: Some(Time(whole_seconds(exit.finished_at))),
        signal: None,
    };
    Some(ApiState { terminated: Some(terminated), ..ApiState::default() })
}

/// Why the container waits; `None` while it runs or has ended and is not to run again now.
fn waiting(
    pod: &Pod,
    container: &Container,
    known: &ContainerState,
    state: &PodState,
) -> Option<ContainerStateWaiting> {
    if known.is_running() {
        return None;
    }
    if state.ending.is_none() {
        if let Some(failure) = &known.failure {
            return Some(because(&failure.reason, &failure.message));
        }
        if let ImageState::Failed(failure) | ImageState::Pulling { after: Some(failure) } = &known.image {
            return Some(image(container, known, failure));
        }
        if let (Some(backoff), true) = (&known.backoff, known.exit().is_some() && known.backing_off) {
            let delay = go_duration(backoff.delay.as_secs());
            let message = format!(
                "back-off {delay} restarting failed container={} pod={}",
                container.name,
                facts::full_name(pod)
            );
            return Some(because("CrashLoopBackOff", &message));
        }
    }
    if known.exit().is_some() {
        return None;
    }
    let creating = if facts::init_containers(pod).next().is_some() { "PodInitializing" } else { "ContainerCreating" };
    Some(ContainerStateWaiting { reason: Some(creating.to_owned()), message: None })
}

fn because(reason: &str, message: &str) -> ContainerStateWaiting {
    let message = Some(message.to_owned()).filter(|message| !message.is_empty());
    ContainerStateWaiting { reason: Some(reason.to_owned()), message }
}

fn image(container: &Container, known: &ContainerState, failure: &Failure) -> ContainerStateWaiting {
    if !known.backing_off {
        return because(&failure.reason, &failure.message);
    }
    let image = container.image.as_deref().unwrap_or_default();
    because("ImagePullBackOff", &format!("Back-off pulling image \"{image}\": {}: {}", failure.reason, failure.message))
}

/// `10s`, `1m20s`, `5m0s`: as Go prints durations of whole seconds.
fn go_duration(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

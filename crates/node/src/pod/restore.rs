//! Taking back what ran before the agent did, and reading what runtimes say.

use std::path::Path;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Container, ContainerStatus as ApiStatus, Pod};
use sampan_runtime::{ContainerState as RuntimeState, ContainerStatus};

use super::facts;
use super::start::time;
use super::state::{Ending, Health, PodState, Run, RunExit, RunPhase, Step, Why};
use crate::runtimes::{Adopted, split_sandbox_id};

/// The state a worker begins with: what the runtimes still have, and what the pod's last status told.
pub(crate) fn restore(pod: &Pod, adopted: Adopted, now: Timestamp) -> PodState {
    let since = pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map_or(now, |time| time.0);
    let mut state = PodState::new(since);
    from_status(pod, &mut state);
    if facts::is_terminal(pod) {
        // It ended for good before: nothing of it runs again, and what is left of it is closed.
        state.ending = Some(Ending { why: Why::Done, deadline: now });
        state.sandboxes = adopted.sandboxes.iter().map(|(runtime, _)| *runtime).collect();
        state.attempt = attempt(&adopted);
        state.address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse().ok());
        state.tear_down = if adopted.sandboxes.is_empty() { Step::Done } else { Step::Idle };
        return state;
    }
    from_runtimes(pod, adopted, &mut state);
    state
}

fn attempt(adopted: &Adopted) -> u32 {
    adopted.sandboxes.iter().map(|(_, sandbox)| split_sandbox_id(&sandbox.id).1).max().unwrap_or(0)
}

/// Restart counts go on where they were.
fn from_status(pod: &Pod, state: &mut PodState) {
    let Some(status) = &pod.status else { return };
    let lists = [&status.init_container_statuses, &status.container_statuses, &status.ephemeral_container_statuses];
    for known in lists.into_iter().flatten().flatten() {
        if facts::names(pod).all(|name| name != known.name) {
            continue;
        }
        let began = known.container_id.as_deref().is_some_and(|id| !id.is_empty());
        if began {
            let ended = ended(known);
            let target = state.container(&known.name);
            target.next_attempt = u32::try_from(known.restart_count).unwrap_or(0) + 1;
            if facts::is_terminal(pod) { target.current = ended } else { target.previous = ended }
        }
    }
}

/// The last end that the status tells of.
fn ended(known: &ApiStatus) -> Option<Run> {
    let of = |state: &Option<sampan_api::k8s::api::core::v1::ContainerState>| state.as_ref()?.terminated.clone();
    let terminated = of(&known.state).or_else(|| of(&known.last_state))?;
    let at = |time: Option<&sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time>| {
        time.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
    };
    let exit = RunExit {
        started_at: at(terminated.started_at.as_ref()),
        finished_at: at(terminated.finished_at.as_ref()),
        code: terminated.exit_code,
        reason: terminated.reason.unwrap_or_default(),
        message: terminated.message.unwrap_or_default(),
    };
    let id = terminated.container_id.or_else(|| known.container_id.clone()).unwrap_or_default();
    let id = id.rsplit_once("://").map(|(_, id)| id.to_owned()).unwrap_or(id);
    // Beside a run that goes on, what ended is the one before.
    let before = u32::from(known.state.as_ref().is_some_and(|state| state.running.is_some()));
    let attempt = u32::try_from(known.restart_count).unwrap_or(0).saturating_sub(before);
    let image_id = known.image_id.clone();
    Some(Run { runtime: 0, id: id.clone(), shown: id, attempt, image_id, phase: RunPhase::Exited(exit) })
}

fn from_runtimes(pod: &Pod, adopted: Adopted, state: &mut PodState) {
    if adopted.sandboxes.is_empty() {
        return;
    }
    state.attempt = attempt(&adopted);
    state.sandboxes = adopted.sandboxes.iter().map(|(runtime, _)| *runtime).collect();
    state.lost = adopted.sandboxes.iter().any(|(_, sandbox)| !sandbox.ready);
    let mut containers = adopted.containers;
    containers.sort_by_key(|(_, container)| container.attempt);
    for (runtime, status) in containers {
        let Some(container) = facts::definition(pod, &status.name) else { continue };
        let target = state.container(&status.name);
        let phase = phase(&status.state);
        if phase == RunPhase::Created {
            // The agent died between making and starting it: the next run gets another number.
            target.next_attempt = target.next_attempt.max(status.attempt + 1);
            continue;
        }
        let image_id = crate::images::image_id(container.image.as_deref().unwrap_or_default(), &status.image);
        let shown = shown(&status);
        target.retire();
        target.current = Some(Run { runtime, id: status.id, shown, attempt: status.attempt, image_id, phase });
    }
}

/// What the runtime's own tools call a container.
pub(crate) fn shown(status: &ContainerStatus) -> String {
    if status.known_as.is_empty() { status.id.clone() } else { status.known_as.clone() }
}

/// Where in its life a run is, as its runtime tells.
pub(crate) fn phase(state: &RuntimeState) -> RunPhase {
    match state {
        RuntimeState::Created => RunPhase::Created,
        RuntimeState::Running { started_at } => RunPhase::Running { started_at: time(*started_at) },
        RuntimeState::Exited { started_at, finished_at, exit } => RunPhase::Exited(RunExit {
            started_at: time(*started_at),
            finished_at: time(*finished_at),
            code: exit.code,
            reason: exit.reason.as_str().to_owned(),
            message: exit.message.clone(),
        }),
    }
}

/// The exit of a container that its runtime knows no more.
pub(crate) fn vanished(started_at: Timestamp, now: Timestamp) -> RunExit {
    RunExit {
        started_at,
        finished_at: now,
        code: 137,
        reason: "ContainerStatusUnknown".to_owned(),
        message: "The container could not be located when the pod was terminated".to_owned(),
    }
}

/// Most of what a termination message may hold, as upstream.
const MOST_BYTES: usize = 4096;

/// The container's last words: from its file, from its log where the policy says so, else what the runtime knows.
pub(crate) fn last_words(container: Option<&Container>, exit: &RunExit, message: &Path, log: &Path) -> String {
    let written = std::fs::read(message).unwrap_or_default();
    if !written.is_empty() {
        return String::from_utf8_lossy(&written[..written.len().min(MOST_BYTES)]).into_owned();
    }
    let policy = container.and_then(|container| container.termination_message_policy.as_deref());
    if policy == Some("FallbackToLogsOnError") && exit.code != 0 {
        let logged = crate::log::last_words(log, 80, 2048);
        if !logged.is_empty() {
            return logged;
        }
    }
    exit.message.clone()
}

/// What is known of a taken-back container's health before its probes answered again: upstream too keeps it ready meanwhile, so that an
/// agent's restart takes no pod out of its services.
pub(crate) fn health(pod: &Pod, name: &str) -> Health {
    let status = pod.status.as_ref();
    let statuses = status.into_iter().flat_map(|status| {
        status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten())
    });
    let known = statuses.into_iter().find(|status| status.name == name);
    let container = facts::container(pod, name);
    let has = |probe: fn(&Container) -> bool| container.is_some_and(probe);
    Health {
        started: !has(|container| container.startup_probe.is_some())
            || known.is_some_and(|known| known.started == Some(true)),
        ready: !has(|container| container.readiness_probe.is_some()) || known.is_some_and(|known| known.ready),
        condemned: None,
    }
}

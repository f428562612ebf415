//! What became of jobs, written into the state.

use jiff::Timestamp;
use sampan_runtime::NetworkAttachment;

use super::Worker;
use crate::images::Found;
use crate::pod::actions::Done;
use crate::pod::start::{StartError, Started};
use crate::pod::state::{Failure, Health, ImageState, RunPhase, Step, later};
use crate::pod::{events, facts, restore};

/// How soon volumes that could not be brought up to date are tried again.
const REFRESH: std::time::Duration = std::time::Duration::from_secs(30);

impl Worker {
    pub(super) fn outcome(&mut self, done: Done) {
        let now = self.context.now();
        match done {
            Done::Mounted { again: false, result } => self.mounted(result, now),
            Done::Mounted { again: true, result } => self.refreshed(result, now),
            Done::Attached { opened, result } => {
                self.state.sandboxes.extend(opened);
                match result {
                    Ok(place) => self.placed(place),
                    Err(why) => {
                        events::failed_sandbox(&self.context, &self.pod, &why);
                        self.state.network = failed(&self.state.network, "NetworkNotReady", why, now);
                    }
                }
            }
            Done::Found { container, result } => {
                let known = self.state.container(&container);
                let ImageState::Pulling { after } = std::mem::take(&mut known.image) else { return };
                known.image = match result {
                    Ok(Found::Present(ready) | Found::Pulled(ready)) => {
                        if known.exit().is_none() {
                            known.backing_off = false;
                        }
                        ImageState::Ready(ready)
                    }
                    Err(error) => ImageState::Failed(Failure::after(after.as_ref(), error.reason, error.message, now)),
                };
            }
            Done::Started { container, result } => match *result {
                Ok(started) => self.started(&container, started),
                Err(error) => self.not_started(&container, error, now),
            },
            Done::Stopped { container, runtime, id, result } => self.stopped(&container, runtime, id, result),
            Done::Reset(result) => self.reset(result, now),
            Done::TornDown(result) => {
                self.state.tear_down = outcome(&self.state.tear_down, result, now);
                self.say_failure(&self.state.tear_down.clone(), "failed to close a pod; it is tried again");
            }
            Done::Deleted(result) => {
                self.state.deletion = outcome(&self.state.deletion, result, now);
                self.say_failure(&self.state.deletion.clone(), "failed to let a deleted pod go; it is tried again");
            }
            Done::Cleared => {}
        }
    }

    fn say_failure(&self, step: &Step, what: &str) {
        if let Some(failure) = step.failure() {
            tracing::warn!(pod = facts::full_name(&self.pod), why = failure.message, "{what}");
        }
    }

    fn mounted(&mut self, result: Result<Option<Timestamp>, String>, now: Timestamp) {
        match result {
            Ok(refresh) => {
                self.state.volumes = Step::Done;
                self.state.refresh_volumes_at = self.state.refresh_volumes_at.or(refresh);
            }
            Err(why) => {
                events::failed_mount(&self.context, &self.pod, &why);
                let before = self.volume_failure.take();
                let failure = Failure::after(before.as_ref(), "FailedMount", why, now);
                self.volume_failure = Some(failure.clone());
                self.state.volumes = Step::Failed(failure);
            }
        }
    }

    /// What was there before stays in use.
    fn refreshed(&mut self, result: Result<Option<Timestamp>, String>, now: Timestamp) {
        let refresh = result.unwrap_or_else(|why| {
            events::failed_mount(&self.context, &self.pod, &why);
            Some(later(now, REFRESH))
        });
        self.state.refresh_volumes_at = match (self.state.refresh_volumes_at, refresh) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
    }

    fn started(&mut self, name: &str, started: Started) {
        let Started { run, offers } = started;
        let container = facts::container(&self.pod, name);
        let health = Health {
            started: container.is_none_or(|container| container.startup_probe.is_none()),
            ready: !offers.ready && container.is_none_or(|container| container.readiness_probe.is_none()),
            condemned: None,
        };
        let known = self.state.container(name);
        known.starting = false;
        known.failure = None;
        let oldest = known.previous.take();
        known.retire();
        if known.previous.is_none() {
            known.previous = oldest;
        } else if let Some(oldest) = oldest {
            self.clear(name, oldest);
        }
        let known = self.state.container(name);
        known.health = health;
        let (attempt, phase) = (run.attempt, run.phase.clone());
        let heard = self.early.remove(&(run.runtime, run.id.clone()));
        if heard {
            self.handle.mailbox.container(run.runtime, run.id.clone());
        }
        let known = self.state.container(name);
        known.current = Some(run);
        if !self.state.containers.values().any(|container| container.starting) {
            self.early.clear();
        }
        match phase {
            RunPhase::Exited(exit) => self.ended(name, attempt, exit),
            _ => self.offers(name, attempt, offers),
        }
    }

    fn not_started(&mut self, name: &str, error: StartError, now: Timestamp) {
        let known = self.state.container(name);
        known.starting = false;
        if error.image_gone {
            known.image = ImageState::Unknown;
        }
        known.failure = Some(Failure::after(known.failure.as_ref(), error.reason, error.message, now));
    }

    fn stopped(&mut self, name: &str, runtime: usize, id: String, result: Result<(), String>) {
        if let Err(why) = result {
            tracing::warn!(container = id, why, "failed to stop a container; it is tried again");
            // Looked at below: it may be gone, and then there is nothing to stop.
            self.state.container(name).stopping = None;
        }
        self.handle.mailbox.container(runtime, id);
    }

    /// The lost sandbox is closed: containers begin anew in another one.
    fn reset(&mut self, result: Result<(), String>, now: Timestamp) {
        if let Err(why) = result {
            tracing::warn!(pod = facts::full_name(&self.pod), why, "failed to close a lost sandbox; it is tried again");
            self.state.tear_down = failed(&self.state.tear_down, "FailedKillPod", why, now);
            return;
        }
        self.state.tear_down = Step::Idle;
        self.state.lost = false;
        self.state.attempt += 1;
        self.state.sandboxes.clear();
        if matches!(self.network, None | Some(NetworkAttachment::Namespace { .. })) {
            // It went with the sandbox.
            self.network = None;
            self.state.address = None;
            self.state.network = Step::Idle;
        }
        let running: Vec<_> = self
            .state
            .containers
            .iter()
            .filter_map(|(name, container)| {
                let run = container.current.as_ref()?;
                let RunPhase::Running { started_at } = run.phase else { return None };
                Some((name.clone(), run.attempt, started_at))
            })
            .collect();
        for (name, attempt, started_at) in running {
            self.ended(&name, attempt, restore::vanished(started_at, now));
        }
        for container in self.state.containers.values_mut() {
            container.retire();
            container.image = ImageState::Unknown;
        }
    }
}

fn failed(before: &Step, reason: &str, why: String, now: Timestamp) -> Step {
    Step::Failed(Failure::after(before.failure(), reason, why, now))
}

fn outcome(before: &Step, result: Result<(), String>, now: Timestamp) -> Step {
    match result {
        Ok(()) => Step::Done,
        Err(why) => failed(before, "Failed", why, now),
    }
}

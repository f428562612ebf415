//! Counts and conditions, with upstream's reasons and messages.

use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::apps::v1::{
    Deployment, DeploymentCondition, DeploymentSpec, DeploymentStatus, ReplicaSetCondition, ReplicaSetStatus,
};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;

use super::rollout::Rollout;
use crate::time::until;

const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const AVAILABLE: &str = "NewReplicaSetAvailable";
const PAUSED: &str = "DeploymentPaused";

/// The values of the condition Progressing.
#[derive(Clone, Copy)]
pub(super) enum Progress {
    True,
    Unknown,
}

pub(super) fn has_deadline(spec: &DeploymentSpec) -> bool {
    spec.progress_deadline_seconds.is_some_and(|seconds| seconds != i32::MAX)
}

pub(super) fn has_progress(status: &DeploymentStatus) -> bool {
    condition(status, "Progressing").is_some()
}

fn condition<'a>(status: &'a DeploymentStatus, type_: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == type_)
}

fn reason(status: &DeploymentStatus) -> &str {
    condition(status, "Progressing").and_then(|condition| condition.reason.as_deref()).unwrap_or_default()
}

/// A paused rollout makes no progress and misses no deadline.
pub(super) fn note_pause(rollout: &mut Rollout) {
    if !has_deadline(rollout.spec()) || reason(&rollout.old_status) == TIMED_OUT {
        return;
    }
    let (paused, noted) = (rollout.spec().paused == Some(true), reason(&rollout.old_status) == PAUSED);
    if paused && !noted {
        set_progress(rollout, Progress::Unknown, PAUSED, "Deployment is paused".to_owned());
    } else if !paused && noted {
        set_progress(rollout, Progress::Unknown, "DeploymentResumed", "Deployment is resumed".to_owned());
    }
}

pub(super) fn set_progress(rollout: &mut Rollout, progress: Progress, reason: &str, message: String) {
    let status = match progress {
        Progress::True => "True",
        Progress::Unknown => "Unknown",
    };
    let now = Time(rollout.now);
    set(rollout.status(), new_condition("Progressing", status, reason, message, &now));
}

/// The status of a Deployment whose new ReplicaSet the apiserver refuses; `None`: it says so already, or nobody waits for progress.
pub(crate) fn refused(deployment: &Deployment, message: String, now: Timestamp) -> Option<DeploymentStatus> {
    deployment.spec.as_ref().filter(|spec| has_deadline(spec))?;
    let mut status = deployment.status.clone().unwrap_or_default();
    set(&mut status, new_condition("Progressing", "False", "ReplicaSetCreateError", message, &Time(now)));
    (deployment.status.as_ref() != Some(&status)).then_some(status)
}

fn new_condition(type_: &str, status: &str, reason: &str, message: String, now: &Time) -> DeploymentCondition {
    DeploymentCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: Some(now.clone()),
        last_transition_time: Some(now.clone()),
    }
}

/// Nothing changes while status and reason stay; the transition time changes with the status alone.
fn set(status: &mut DeploymentStatus, mut condition: DeploymentCondition) {
    let conditions = status.conditions.get_or_insert_default();
    if let Some(known) = conditions.iter().find(|known| known.type_ == condition.type_) {
        if known.status == condition.status && known.reason == condition.reason {
            return;
        }
        if known.status == condition.status {
            condition.last_transition_time.clone_from(&known.last_transition_time);
        }
    }
    conditions.retain(|known| known.type_ != condition.type_);
    conditions.push(condition);
}

fn remove(status: &mut DeploymentStatus, type_: &str) {
    if let Some(conditions) = &mut status.conditions {
        conditions.retain(|condition| condition.type_ != type_);
    }
}

/// The whole status as it shall be.
pub(super) fn new_status(rollout: &Rollout, created: bool) -> DeploymentStatus {
    let mut status = counts(rollout);
    availability(rollout, &mut status);
    let sizing = rollout.spec().paused == Some(true) || rollout.deployment.metadata.deletion_timestamp.is_some();
    if !has_deadline(rollout.spec()) {
        remove(&mut status, "Progressing");
    } else if !sizing && !created {
        progress(rollout, &mut status);
    }
    match replica_failure(rollout) {
        Some(failure) => set(&mut status, failure),
        None => remove(&mut status, "ReplicaFailure"),
    }
    status.conditions = status.conditions.filter(|conditions| !conditions.is_empty());
    status
}

fn counts(rollout: &Rollout) -> DeploymentStatus {
    let statuses = || rollout.drafts.iter().filter_map(|draft| draft.set.status.as_ref());
    let sum = |count: fn(&ReplicaSetStatus) -> Option<i32>| present(statuses().filter_map(count).sum());
    let updated = rollout.new_draft().and_then(|draft| draft.set.status.as_ref()).map_or(0, |status| status.replicas);
    DeploymentStatus {
        observed_generation: rollout.deployment.metadata.generation,
        replicas: sum(|status| Some(status.replicas)),
        updated_replicas: present(updated),
        ready_replicas: sum(|status| status.ready_replicas),
        available_replicas: sum(|status| status.available_replicas),
        unavailable_replicas: present((rollout.total() - rollout.total_available()).max(0)),
        terminating_replicas: Some(statuses().filter_map(|status| status.terminating_replicas).sum()),
        collision_count: rollout.old_status.collision_count,
        conditions: rollout.deployment.status.as_ref().and_then(|status| status.conditions.clone()),
    }
}

fn availability(rollout: &Rollout, status: &mut DeploymentStatus) {
    let enough = rollout.total_available() >= rollout.wanted() - rollout.bounds().unavailable;
    let (value, reason, message) = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set(status, new_condition("Available", value, reason, message.to_owned(), &Time(rollout.now)));
}

fn progress(rollout: &Rollout, status: &mut DeploymentStatus) {
    let known = condition(status, "Progressing").cloned();
    let settled = status.replicas == status.updated_replicas && reason(status) == AVAILABLE;
    if settled {
        return;
    }
    let subject = rollout.new_draft().and_then(|draft| draft.set.metadata.name.as_deref());
    let subject =
        subject.map_or_else(|| format!("Deployment \"{}\"", rollout.name()), |name| format!("ReplicaSet \"{name}\""));
    let now = Time(rollout.now);
    if is_complete(rollout, status) {
        let message = format!("{subject} has successfully progressed.");
        set(status, new_condition("Progressing", "True", AVAILABLE, message, &now));
    } else if has_progressed(&rollout.old_status, status) {
        let message = format!("{subject} is progressing.");
        let mut condition = new_condition("Progressing", "True", "ReplicaSetUpdated", message, &now);
        if let Some(known) = known.filter(|known| known.status == "True") {
            condition.last_transition_time = known.last_transition_time;
        }
        // Each sign of progress moves the update time on, and with it the deadline.
        remove(status, "Progressing");
        set(status, condition);
    } else if timed_out(rollout, status) {
        let message = format!("{subject} has timed out progressing.");
        set(status, new_condition("Progressing", "False", TIMED_OUT, message, &now));
    }
}

/// Every replica is of the new template and available, and no old one is left.
pub(super) fn is_complete(rollout: &Rollout, status: &DeploymentStatus) -> bool {
    let wanted = rollout.wanted();
    let all = |count: Option<i32>| count.unwrap_or(0) == wanted;
    all(status.updated_replicas)
        && all(status.replicas)
        && all(status.available_replicas)
        && status.observed_generation >= rollout.deployment.metadata.generation
}

fn has_progressed(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let left = |status: &DeploymentStatus| status.replicas.unwrap_or(0) - status.updated_replicas.unwrap_or(0);
    new.updated_replicas > old.updated_replicas
        || left(new) < left(old)
        || new.ready_replicas > old.ready_replicas
        || new.available_replicas > old.available_replicas
}

fn timed_out(rollout: &Rollout, status: &DeploymentStatus) -> bool {
    let Some(known) = condition(status, "Progressing") else { return false };
    match reason(status) {
        // What succeeded long ago says nothing of a rollout that begins, back to a ReplicaSet that is there, say.
        AVAILABLE => false,
        TIMED_OUT => true,
        _ => deadline_in(rollout, known).is_none(),
    }
}

/// How long until the deadline; `None`: it is past.
fn deadline_in(rollout: &Rollout, known: &DeploymentCondition) -> Option<Duration> {
    let seconds = rollout.spec().progress_deadline_seconds.unwrap_or(i32::MAX);
    let since = known.last_update_time.as_ref().or(known.last_transition_time.as_ref())?;
    until(since, seconds.into(), rollout.now)
}

/// When the deadline has to be looked at, if the rollout is under way.
pub(super) fn next_check(rollout: &Rollout, status: &DeploymentStatus) -> Option<Duration> {
    let over = is_complete(rollout, status) || matches!(reason(status), TIMED_OUT | PAUSED | AVAILABLE);
    if !has_deadline(rollout.spec()) || over || rollout.deployment.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let left = deadline_in(rollout, condition(status, "Progressing")?).unwrap_or_default();
    Some(left + Duration::from_secs(1))
}

/// The failure of the new ReplicaSet, or else of any.
fn replica_failure(rollout: &Rollout) -> Option<DeploymentCondition> {
    let mut drafts: Vec<_> = rollout.new_draft().into_iter().collect();
    drafts.extend(&rollout.drafts);
    let conditions = drafts.into_iter().flat_map(|draft| draft.set.status.iter().flat_map(|status| &status.conditions));
    let failure: &ReplicaSetCondition = conditions.flatten().find(|condition| condition.type_ == "ReplicaFailure")?;
    Some(DeploymentCondition {
        type_: failure.type_.clone(),
        status: failure.status.clone(),
        reason: failure.reason.clone(),
        message: failure.message.clone(),
        last_transition_time: failure.last_transition_time.clone(),
        last_update_time: failure.last_transition_time.clone(),
    })
}

fn present(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

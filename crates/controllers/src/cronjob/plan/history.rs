//! The Jobs of a CronJob that are at work, and those that ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use sampan_api::k8s::api::batch::v1::{CronJobSpec, Job};

use super::{Observed, Plan, forget, normal, warning};
use crate::time::or_min;

/// Brings the list of those at work and the time of the last success up to date.
pub(super) fn note(observed: &Observed<'_>, plan: &mut Plan) {
    for job in observed.jobs {
        let (uid, name) = (job.metadata.uid.as_deref(), job.metadata.name.as_deref().unwrap_or_default());
        let listed = plan.status.active.iter().flatten().any(|active| active.uid.as_deref() == uid);
        match (listed, end(job)) {
            (false, None) => {
                let message = format!("Saw a job that the controller did not create or forgot: {name}");
                plan.notes.push(warning("UnexpectedJob", message));
            }
            (true, Some(end)) => {
                forget(&mut plan.status, uid);
                let message = format!("Saw completed job: {name}, condition: {end}");
                plan.notes.push(normal("SawCompletedJob", message));
            }
            _ => {}
        }
        if end(job) == Some("Complete") {
            let completed = job.status.as_ref().and_then(|status| status.completion_time.clone());
            let last = plan.status.last_successful_time.take();
            plan.status.last_successful_time = last.into_iter().chain(completed).max();
        }
    }
    forget_missing(observed, plan);
}

/// What was deleted is at work no more.
fn forget_missing(observed: &Observed<'_>, plan: &mut Plan) {
    let there: BTreeSet<Option<&str>> = observed.jobs.iter().map(|job| job.metadata.uid.as_deref()).collect();
    for active in plan.status.active.clone().unwrap_or_default() {
        if !there.contains(&active.uid.as_deref()) {
            forget(&mut plan.status, active.uid.as_deref());
            let name = active.name.unwrap_or_default();
            plan.notes.push(normal("MissingJob", format!("Active job went missing: {name}")));
        }
    }
}

/// `Complete` or `Failed`.
fn end(job: &Job) -> Option<&'static str> {
    let conditions = || job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is = |type_: &str| conditions().any(|condition| condition.type_ == type_ && condition.status == "True");
    ["Complete", "Failed"].into_iter().find(|type_| is(type_))
}

/// The ended Jobs beyond the limits, the oldest first.
pub(super) fn surplus(observed: &Observed<'_>, spec: &CronJobSpec) -> Vec<Arc<Job>> {
    let limits = [("Complete", spec.successful_jobs_history_limit), ("Failed", spec.failed_jobs_history_limit)];
    let beyond = |(how, limit): (&str, Option<i32>)| {
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(0));
        let ended = observed.jobs.iter().filter(|job| end(job) == Some(how));
        let mut ended: Vec<_> = ended.filter(|job| job.metadata.deletion_timestamp.is_none()).cloned().collect();
        ended.sort_by_cached_key(|job| {
            let started = job.status.as_ref().and_then(|status| status.start_time.as_ref());
            (or_min(started), job.metadata.name.clone())
        });
        ended.truncate(ended.len().saturating_sub(limit));
        ended
    };
    limits.into_iter().flat_map(beyond).collect()
}

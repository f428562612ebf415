//! What a Job needs next. Pure.

mod backoff;
mod failure_policy;
mod indexes;
mod per_index;
mod pods;
mod status;
mod success_policy;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::batch::v1::{Job, JobSpec, JobStatus};
use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::pod;
use sampan_client::EventType;

pub(super) use pods::{FINALIZER, Place, is_tracked, new_pod};
use status::Draft;
pub(crate) use status::finished_at;

/// What is known of a Job.
pub(super) struct Observed<'a> {
    pub(super) job: &'a Job,
    /// The pods it owns, ended ones included.
    pub(super) pods: &'a [Arc<Pod>],
    pub(super) now: Timestamp,
}

/// What to do, in this order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) status: Option<JobStatus>,
    pub(super) notes: Vec<Note>,
    /// Pods on record that lose their finalizer.
    pub(super) release: Vec<Arc<Pod>>,
    pub(super) delete: Vec<Unwanted>,
    pub(super) create: Vec<Place>,
    pub(super) requeue: Option<Duration>,
}

/// A pod to delete. `uncounted`: it goes by our own wish and is no failure.
#[derive(Debug)]
pub(super) struct Unwanted {
    pub(super) pod: Arc<Pod>,
    pub(super) uncounted: bool,
}

/// An event to record.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) event_type: EventType,
    pub(super) reason: String,
    pub(super) message: String,
}

/// Jobs of other controllers are left alone.
pub(super) fn is_ours(job: &Job) -> bool {
    let managed_by = job.spec.as_ref().and_then(|spec| spec.managed_by.as_deref());
    managed_by.is_none_or(|name| name == "kubernetes.io/job-controller")
}

impl<'a> Observed<'a> {
    fn spec(&self) -> &'a JobSpec {
        self.job.spec.as_ref().expect("a job without a spec has no selector and is never planned for")
    }

    fn is_indexed(&self) -> bool {
        self.spec().completion_mode.as_deref() == Some("Indexed")
    }

    fn is_suspended(&self) -> bool {
        self.spec().suspend == Some(true)
    }

    fn parallelism(&self) -> usize {
        count(self.spec().parallelism.unwrap_or(1))
    }

    fn completions(&self) -> Option<usize> {
        self.spec().completions.map(count)
    }

    fn active(&self) -> Vec<Arc<Pod>> {
        self.pods.iter().filter(|pod| pod::is_active(pod)).cloned().collect()
    }

    /// The pod's completion index, if the Job has that.
    fn index_in_range(&self, pod: &Pod) -> Option<u32> {
        let completions = self.completions().filter(|_| self.is_indexed())?;
        indexes::index_of(pod).filter(|index| usize::try_from(*index).is_ok_and(|index| index < completions))
    }

    /// A pod somebody deletes has failed at once, unless it is to be waited for.
    fn has_failed(&self, pod: &Pod) -> bool {
        match pod::phase(pod) {
            "Failed" => true,
            "Succeeded" => false,
            _ => pod::is_terminating(pod) && !self.waits_for_terminating(),
        }
    }

    /// Whether pods that are ending still take their place (`podReplacementPolicy: Failed`).
    fn waits_for_terminating(&self) -> bool {
        let spec = self.spec();
        spec.pod_replacement_policy.as_deref() == Some("Failed") || spec.pod_failure_policy.is_some()
    }
}

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let mut draft = Draft::new(observed);
    if draft.is_finished() {
        return Plan { release: tracked(observed.pods), ..Plan::default() };
    }
    let mut plan = Plan::default();
    draft.count(&mut plan);
    draft.start_or_suspend(&mut plan);
    let active = observed.active();
    let mut managed = active.len();
    if let Some((reason, message)) = draft.failure(&active) {
        draft.target("FailureTarget", &reason, &message);
        plan.delete = active.into_iter().map(|pod| Unwanted { pod, uncounted: false }).collect();
        managed = 0;
    } else if let Some((reason, message)) = draft.success(active.len()) {
        draft.target("SuccessCriteriaMet", &reason, &message);
        plan.delete = active.into_iter().map(|pod| Unwanted { pod, uncounted: true }).collect();
        managed = 0;
    } else if observed.job.metadata.deletion_timestamp.is_none() {
        managed = manage(&draft, active, &mut plan);
    }
    draft.finish(managed, &mut plan);
    plan.requeue = earliest(plan.requeue, draft.deadline_in());
    plan.status = draft.changed();
    plan
}

/// Brings the number of active pods to what is wanted; returns it.
fn manage(draft: &Draft<'_>, active: Vec<Arc<Pod>>, plan: &mut Plan) -> usize {
    let observed = draft.observed;
    if observed.is_suspended() {
        plan.delete = active.into_iter().map(|pod| Unwanted { pod, uncounted: true }).collect();
        return 0;
    }
    let wanted = wanted(draft, active.len());
    let (mut keep, surplus) = indexes::without_duplicates(observed, draft.done_indexes(), active);
    plan.delete = surplus.into_iter().map(|pod| Unwanted { pod, uncounted: true }).collect();
    if keep.len() > wanted {
        // The youngest have done least.
        keep.sort_by_key(|pod| {
            (!is_idle(pod), pod.metadata.creation_timestamp.clone().map(|time| std::cmp::Reverse(time.0)))
        });
        let surplus = keep.len() - wanted;
        plan.delete.extend(keep.drain(..surplus).map(|pod| Unwanted { pod, uncounted: true }));
        return wanted;
    }
    let terminating = if observed.waits_for_terminating() { draft.terminating() } else { 0 };
    let missing = wanted.saturating_sub(keep.len() + terminating);
    if missing == 0 {
        return keep.len();
    }
    plan.create = places(draft, &keep, missing, &mut plan.requeue);
    keep.len() + plan.create.len()
}

/// The pods to make now, as far as failures do not make them wait.
fn places(draft: &Draft<'_>, keep: &[Arc<Pod>], missing: usize, requeue: &mut Option<Duration>) -> Vec<Place> {
    let observed = draft.observed;
    let per_index = observed.spec().backoff_limit_per_index.is_some();
    let wait = backoff::remaining(observed.pods, observed.now).filter(|_| !per_index);
    if wait.is_some() {
        *requeue = wait;
        return Vec::new();
    }
    if !observed.is_indexed() {
        return vec![Place::default(); missing];
    }
    let mut places = Vec::new();
    let settled = draft.settled_indexes();
    for index in indexes::next(&settled, keep, observed.completions().unwrap_or(0), missing) {
        let last = draft.kept(index);
        match last.and_then(|last| per_index::remaining(observed, last)) {
            Some(wait) => *requeue = earliest(*requeue, Some(wait)),
            None => {
                let failures = last.map(|last| per_index::Failures::after(observed, last)).unwrap_or_default();
                places.push(Place { index: Some(index), failures: per_index.then_some(failures) });
            }
        }
    }
    places
}

/// How many pods shall be active.
fn wanted(draft: &Draft<'_>, active: usize) -> usize {
    let observed = draft.observed;
    match observed.completions() {
        // A work queue: once one pod found it empty, none is added.
        None if draft.succeeded() > 0 => active,
        None => observed.parallelism(),
        Some(completions) => {
            let left = completions.saturating_sub(draft.succeeded() + draft.failed_indexes().len());
            left.min(observed.parallelism())
        }
    }
}

/// Has not begun to run.
fn is_idle(pod: &Pod) -> bool {
    pod::node_name(pod).is_none() || pod::phase(pod) == "Pending"
}

fn tracked(pods: &[Arc<Pod>]) -> Vec<Arc<Pod>> {
    pods.iter().filter(|pod| is_tracked(pod)).cloned().collect()
}

fn earliest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// The uids in a list of `uncountedTerminatedPods`.
fn uids(list: Option<&Vec<String>>) -> BTreeSet<String> {
    list.into_iter().flatten().cloned().collect()
}

#[cfg(test)]
mod tests;

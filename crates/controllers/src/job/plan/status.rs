//! Counts and conditions of a Job while a plan is made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::batch::v1::{Job, JobCondition, JobStatus, UncountedTerminatedPods};
use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;
use sampan_api::pod;
use sampan_client::EventType;

use super::failure_policy::{Verdict, verdict};
use super::{Note, Observed, Plan, is_tracked, uids};
use super::{indexes, per_index, success_policy};
use crate::time::until;

/// When the Job completed or failed; `None`: it has not.
pub(crate) fn finished_at(job: &Job) -> Option<&Time> {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut ends = conditions.filter(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed"));
    ends.find(|condition| condition.status == "True")?.last_transition_time.as_ref()
}

pub(super) struct Draft<'a> {
    pub(super) observed: &'a Observed<'a>,
    status: JobStatus,
    /// Ended pods whose uid is or will be on record but not in the counts.
    succeeded: BTreeSet<String>,
    failed: BTreeSet<String>,
    done: BTreeSet<u32>,
    /// The indexes that are not tried again.
    failed_indexes: BTreeSet<u32>,
    /// For indexes to be tried again: the failed pod that is kept uncounted until then.
    kept: BTreeMap<u32, Arc<Pod>>,
}

/// Why a Job ended: reason and message of the condition.
type Why = (String, String);

impl<'a> Draft<'a> {
    pub(super) fn new(observed: &'a Observed<'a>) -> Self {
        let status = observed.job.status.clone().unwrap_or_default();
        let uncounted = status.uncounted_terminated_pods.clone().unwrap_or_default();
        let completions = observed.completions().unwrap_or(0);
        let mut done = indexes::parse(status.completed_indexes.as_deref().unwrap_or_default(), completions);
        let succeeded_now = observed.pods.iter().filter(|pod| is_tracked(pod) && pod::phase(pod) == "Succeeded");
        done.extend(succeeded_now.filter_map(|pod| observed.index_in_range(pod)));
        let failed_indexes = per_index::failed_indexes(observed, status.failed_indexes.as_deref().unwrap_or_default());
        let (succeeded, failed) = (uids(uncounted.succeeded.as_ref()), uids(uncounted.failed.as_ref()));
        let mut draft = Self { observed, status, succeeded, failed, done, failed_indexes, kept: BTreeMap::new() };
        if !draft.has_target() {
            draft.kept = per_index::kept(observed, &draft.done, &draft.failed_indexes);
        }
        draft
    }

    pub(super) fn is_finished(&self) -> bool {
        finished_at(self.observed.job).is_some()
    }

    pub(super) fn done_indexes(&self) -> &BTreeSet<u32> {
        &self.done
    }

    pub(super) fn failed_indexes(&self) -> &BTreeSet<u32> {
        &self.failed_indexes
    }

    /// The indexes that need no pod any more.
    pub(super) fn settled_indexes(&self) -> BTreeSet<u32> {
        self.done.union(&self.failed_indexes).copied().collect()
    }

    /// The failed pod that tells how often an index failed.
    pub(super) fn kept(&self, index: u32) -> Option<&Arc<Pod>> {
        self.kept.get(&index)
    }

    /// Moves released pods from the record into the counts, puts newly ended ones on record and releases those already there.
    pub(super) fn count(&mut self, plan: &mut Plan) {
        let tracked: BTreeSet<&str> = self.tracked().filter_map(|pod| pod.metadata.uid.as_deref()).collect();
        let released = |uid: &String| !tracked.contains(uid.as_str());
        let succeeded: Vec<String> = self.succeeded.iter().filter(|uid| released(uid)).cloned().collect();
        let failed: Vec<String> = self.failed.iter().filter(|uid| released(uid)).cloned().collect();
        add(&mut self.status.succeeded, succeeded.len());
        add(&mut self.status.failed, failed.len());
        self.succeeded.retain(|uid| !released(uid));
        self.failed.retain(|uid| !released(uid));
        let on_record: BTreeSet<String> = self.succeeded.union(&self.failed).cloned().collect();
        let mut ended: Vec<&Arc<Pod>> = self.tracked().filter(|pod| self.has_ended(pod)).collect();
        ended.sort_by(|a, b| a.metadata.uid.cmp(&b.metadata.uid));
        for pod in ended {
            let uid = pod.metadata.uid.clone().unwrap_or_default();
            if on_record.contains(&uid) || self.is_ignored(pod) {
                plan.release.push(pod.clone());
            } else if !self.is_kept(pod) {
                self.record(pod, uid);
            }
        }
    }

    /// A failure that does not count: by the policy, or of an index the Job does not have.
    fn is_ignored(&self, pod: &Pod) -> bool {
        let policy = self.observed.spec().pod_failure_policy.as_ref();
        let foreign = self.observed.is_indexed() && self.observed.index_in_range(pod).is_none();
        self.observed.has_failed(pod) && !self.is_kept(pod) && (foreign || verdict(policy, pod) == Verdict::Ignore)
    }

    fn is_kept(&self, pod: &Pod) -> bool {
        self.kept.values().any(|kept| kept.metadata.uid == pod.metadata.uid)
    }

    fn tracked(&self) -> impl Iterator<Item = &'a Arc<Pod>> + use<'a> {
        self.observed.pods.iter().filter(|pod| is_tracked(pod))
    }

    fn has_ended(&self, pod: &Pod) -> bool {
        pod::is_terminal(pod) || self.observed.has_failed(pod)
    }

    fn record(&mut self, pod: &Pod, uid: String) {
        if pod::phase(pod) == "Succeeded" {
            self.done.extend(self.observed.index_in_range(pod));
            self.succeeded.insert(uid);
        } else {
            self.failed.insert(uid);
        }
    }

    /// Successes, counted and on record.
    pub(super) fn succeeded(&self) -> usize {
        if self.observed.is_indexed() {
            self.done.len()
        } else {
            super::count(self.status.succeeded.unwrap_or(0)) + self.succeeded.len()
        }
    }

    /// Failures, counted, on record and kept.
    fn failed(&self) -> usize {
        let policy = self.observed.spec().pod_failure_policy.as_ref();
        let kept = self.kept.values().filter(|pod| verdict(policy, pod) != Verdict::Ignore).count();
        super::count(self.status.failed.unwrap_or(0)) + self.failed.len() + kept
    }

    pub(super) fn terminating(&self) -> usize {
        self.observed.pods.iter().filter(|pod| pod::is_terminating(pod) && !pod::is_terminal(pod)).count()
    }

    pub(super) fn start_or_suspend(&mut self, plan: &mut Plan) {
        let now = Time(self.observed.now);
        let was_suspended = self.condition("Suspended").map(|condition| condition.status == "True");
        if self.observed.is_suspended() {
            if was_suspended != Some(true) {
                self.set("Suspended", "True", "JobSuspended", "Job suspended");
                plan.notes.push(note("Suspended", "Job suspended"));
            }
        } else if was_suspended == Some(true) {
            self.set("Suspended", "False", "JobResumed", "Job resumed");
            plan.notes.push(note("Resumed", "Job resumed"));
            self.status.start_time = Some(now);
        } else if self.status.start_time.is_none() {
            self.status.start_time = Some(now);
        }
    }

    /// Why the Job has failed, if it has.
    pub(super) fn failure(&self, active: &[Arc<Pod>]) -> Option<Why> {
        if let Some(known) = self.condition("FailureTarget") {
            return Some(why(known));
        }
        if self.condition("SuccessCriteriaMet").is_some() {
            return None;
        }
        if let Some(message) = self.failed_by_policy() {
            return Some(("PodFailurePolicy".to_owned(), message));
        }
        let (reason, message) = self.exceeded(active)?;
        Some((reason.to_owned(), message.to_owned()))
    }

    /// The message of the first pod whose failure is the Job's.
    fn failed_by_policy(&self) -> Option<String> {
        let policy = self.observed.spec().pod_failure_policy.as_ref()?;
        let failed = self.observed.pods.iter().filter(|pod| self.observed.has_failed(pod));
        let mut verdicts = failed.map(|pod| verdict(Some(policy), pod));
        verdicts.find_map(|verdict| match verdict {
            Verdict::FailJob(message) => Some(message),
            _ => None,
        })
    }

    /// The limit that is exceeded, if one is.
    fn exceeded(&self, active: &[Arc<Pod>]) -> Option<(&'static str, &'static str)> {
        let spec = self.observed.spec();
        let limit = super::count(spec.backoff_limit.unwrap_or(6));
        let past_deadline = spec.active_deadline_seconds.is_some() && self.deadline_in().is_none();
        if self.failed() > limit || restarts_beyond(self.observed, active, limit) {
            return Some(BACKOFF);
        }
        if past_deadline && !self.observed.is_suspended() && self.status.start_time.is_some() {
            return Some(DEADLINE);
        }
        let failed = self.failed_indexes.len();
        if spec.max_failed_indexes.is_some_and(|limit| failed > super::count(limit)) {
            return Some(FAILED_TOO_MANY);
        }
        let all = self.observed.completions().is_some_and(|completions| failed + self.done.len() >= completions);
        (failed > 0 && all).then_some(FAILED_SOME)
    }

    /// Why the Job has succeeded, if it has.
    pub(super) fn success(&self, active: usize) -> Option<Why> {
        if let Some(known) = self.condition("SuccessCriteriaMet") {
            return Some(why(known));
        }
        let completions = self.observed.completions();
        let policy = self.observed.spec().success_policy.as_ref();
        if let Some(message) = success_policy::met(policy, completions.unwrap_or(0), &self.done) {
            return Some(("SuccessPolicy".to_owned(), message));
        }
        let reached = match completions {
            None => self.succeeded() > 0 && active == 0,
            Some(completions) => self.succeeded() >= completions,
        };
        reached.then(|| (COMPLETE.0.to_owned(), COMPLETE.1.to_owned()))
    }

    /// How long until the active deadline; `None`: there is none, or it is past.
    pub(super) fn deadline_in(&self) -> Option<Duration> {
        let seconds = self.observed.spec().active_deadline_seconds?;
        if self.observed.is_suspended() || self.has_target() {
            return None;
        }
        until(self.status.start_time.as_ref()?, seconds, self.observed.now)
    }

    fn has_target(&self) -> bool {
        self.condition("FailureTarget").is_some() || self.condition("SuccessCriteriaMet").is_some()
    }

    /// Says what the Job will end as, before all of its pods have ended.
    pub(super) fn target(&mut self, type_: &str, reason: &str, message: &str) {
        if self.condition(type_).is_none() {
            self.set(type_, "True", reason, message);
        }
    }

    /// Writes the counts, and the end once every pod is gone or counted.
    pub(super) fn finish(&mut self, active: usize, plan: &mut Plan) {
        let ready = self.observed.pods.iter().filter(|pod| pod::is_active(pod) && pod::is_ready(pod)).count();
        let terminating = self.terminating();
        self.status.active = Some(number(active)).filter(|active| *active != 0);
        self.status.ready = Some(number(ready));
        self.status.terminating = Some(number(terminating));
        if self.observed.is_indexed() {
            self.status.completed_indexes = Some(indexes::format(&self.done)).filter(|text| !text.is_empty());
            self.status.succeeded = Some(number(self.done.len())).filter(|succeeded| *succeeded != 0);
        }
        if self.observed.spec().backoff_limit_per_index.is_some() {
            self.status.failed_indexes = Some(indexes::format(&self.failed_indexes));
        }
        let list =
            |uids: &BTreeSet<String>| Some(uids.iter().cloned().collect::<Vec<_>>()).filter(|uids| !uids.is_empty());
        let uncounted = UncountedTerminatedPods { succeeded: list(&self.succeeded), failed: list(&self.failed) };
        self.status.uncounted_terminated_pods = Some(uncounted);
        let uncounted = !self.succeeded.is_empty() || !self.failed.is_empty() || !self.kept.is_empty();
        let waiting = uncounted || terminating > 0 || !plan.delete.is_empty();
        if !waiting && plan.release.is_empty() {
            self.end(plan);
        }
    }

    fn end(&mut self, plan: &mut Plan) {
        if let Some(target) = self.condition("SuccessCriteriaMet").cloned() {
            self.conclude("Complete", &target);
            self.status.completion_time = Some(Time(self.observed.now));
            plan.notes.push(note("Completed", "Job completed"));
        } else if let Some(target) = self.condition("FailureTarget").cloned() {
            self.conclude("Failed", &target);
            let (reason, message) = (target.reason.unwrap_or_default(), target.message.unwrap_or_default());
            plan.notes.push(Note { event_type: EventType::Warning, reason, message });
        }
    }

    fn conclude(&mut self, type_: &str, target: &JobCondition) {
        let (reason, message) = (target.reason.as_deref(), target.message.as_deref());
        self.set(type_, "True", reason.unwrap_or_default(), message.unwrap_or_default());
    }

    fn condition(&self, type_: &str) -> Option<&JobCondition> {
        self.status.conditions.iter().flatten().find(|condition| condition.type_ == type_)
    }

    fn set(&mut self, type_: &str, status: &str, reason: &str, message: &str) {
        let now = Some(Time(self.observed.now));
        let conditions = self.status.conditions.get_or_insert_default();
        conditions.retain(|condition| condition.type_ != type_);
        conditions.push(JobCondition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_probe_time: now.clone(),
            last_transition_time: now,
        });
    }

    pub(super) fn changed(self) -> Option<JobStatus> {
        (self.observed.job.status.as_ref() != Some(&self.status)).then_some(self.status)
    }
}

const BACKOFF: (&str, &str) = ("BackoffLimitExceeded", "Job has reached the specified backoff limit");
const DEADLINE: (&str, &str) = ("DeadlineExceeded", "Job was active longer than specified deadline");
const FAILED_TOO_MANY: (&str, &str) =
    ("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes");
const FAILED_SOME: (&str, &str) = ("FailedIndexes", "Job has failed indexes");
const COMPLETE: (&str, &str) = ("CompletionsReached", "Reached expected number of succeeded pods");

fn why(condition: &JobCondition) -> Why {
    (condition.reason.clone().unwrap_or_default(), condition.message.clone().unwrap_or_default())
}

/// Containers that are restarted in place use up the limit as well.
fn restarts_beyond(observed: &Observed<'_>, active: &[Arc<Pod>], limit: usize) -> bool {
    let policy = observed.spec().template.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
    if policy != Some("OnFailure") {
        return false;
    }
    let running = active.iter().filter(|pod| matches!(pod::phase(pod), "Running" | "Pending"));
    let statuses = running.filter_map(|pod| pod.status.as_ref()).flat_map(|status| {
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten())
    });
    let restarts: usize = statuses.map(|status| super::count(status.restart_count)).sum();
    if limit == 0 { restarts > 0 } else { restarts >= limit }
}

fn note(reason: &str, message: &str) -> Note {
    Note { event_type: EventType::Normal, reason: reason.to_owned(), message: message.to_owned() }
}

fn add(counter: &mut Option<i32>, count: usize) {
    if count > 0 {
        *counter = Some(counter.unwrap_or(0).saturating_add(number(count)));
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

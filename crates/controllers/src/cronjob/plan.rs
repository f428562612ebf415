//! What a CronJob needs next. Pure. As upstream's `syncCronJob`.

mod history;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sampan_api::cron;
use sampan_api::k8s::api::batch::v1::{CronJob, CronJobSpec, CronJobStatus, Job};
use sampan_api::k8s::api::core::v1::ObjectReference;
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use sampan_client::EventType;

use crate::ownership::controller_reference;
use schedule::{Missed, Recent};

const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// What is known of a CronJob.
pub(super) struct Observed<'a> {
    pub(super) cron_job: &'a CronJob,
    /// The Jobs it controls, ended ones included.
    pub(super) jobs: &'a [Arc<Job>],
    pub(super) now: Timestamp,
}

/// What to do, in this order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) notes: Vec<Note>,
    /// Ended Jobs beyond the limits.
    pub(super) delete: Vec<Arc<Job>>,
    pub(super) start: Option<Box<Start>>,
    /// The status, before what starts is put on record.
    pub(super) status: CronJobStatus,
    pub(super) requeue: Option<Duration>,
}

/// A Job to make.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) job: Job,
    pub(super) scheduled: Time,
    /// The Jobs at work that go before it (`concurrencyPolicy: Replace`).
    pub(super) replaces: Vec<ObjectReference>,
}

/// An event to record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) event_type: EventType,
    pub(super) reason: String,
    pub(super) message: String,
}

fn warning(reason: &str, message: String) -> Note {
    Note { event_type: EventType::Warning, reason: reason.to_owned(), message }
}

fn normal(reason: &str, message: String) -> Note {
    Note { event_type: EventType::Normal, reason: reason.to_owned(), message }
}

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan { status: observed.cron_job.status.clone().unwrap_or_default(), ..Plan::default() };
    history::note(observed, &mut plan);
    let spec = &observed.cron_job.spec;
    plan.delete = history::surplus(observed, spec);
    if observed.cron_job.metadata.deletion_timestamp.is_none() && spec.suspend != Some(true) {
        keep_schedule(observed, spec, &mut plan);
    }
    plan
}

fn keep_schedule(observed: &Observed<'_>, spec: &CronJobSpec, plan: &mut Plan) {
    let zone = match time_zone(spec) {
        Ok(zone) => zone,
        Err(note) => return plan.notes.push(note),
    };
    if spec.schedule.contains("TZ") {
        let message = format!(
            "CRON_TZ or TZ used in schedule {:?} is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details",
            spec.schedule
        );
        plan.notes.push(warning("UnsupportedSchedule", message));
    }
    let schedule = match cron::Schedule::parse(&spec.schedule) {
        Ok(schedule) => schedule,
        Err(why) => {
            let message = format!("unparseable schedule: {:?} : {why}", spec.schedule);
            return plan.notes.push(warning("UnparseableSchedule", message));
        }
    };
    let next = |after: Timestamp| schedule.next(after, &zone);
    let since = schedule::since(observed.cron_job);
    match schedule::most_recent(schedule::within_deadline(since, spec, observed.now), observed.now, &next) {
        Err(why) => {
            let message = format!("invalid schedule: {} : {why}", spec.schedule);
            return plan.notes.push(warning("InvalidSchedule", message));
        }
        Ok(Recent { time: Some(scheduled), missed }) => {
            if missed == Missed::Many {
                let message =
                    "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
                plan.notes.push(warning("TooManyMissedTimes", message.to_owned()));
            }
            due(observed, spec, &zone, scheduled, plan);
        }
        Ok(Recent { time: None, .. }) => {}
    }
    plan.requeue = schedule::next_look(since, observed.now, &next);
}

/// The zone the schedule is meant in; upstream's default is the controller's own, which here is UTC on every machine.
fn time_zone(spec: &CronJobSpec) -> Result<TimeZone, Note> {
    let Some(name) = spec.time_zone.as_deref() else { return Ok(TimeZone::UTC) };
    cron::time_zone(name)
        .ok_or_else(|| warning("UnknownTimeZone", format!("invalid timeZone: {name:?}: unknown time zone {name}")))
}

/// A time has come; it may be past its deadline, met already, or not be met while another Job is at work.
fn due(observed: &Observed<'_>, spec: &CronJobSpec, zone: &TimeZone, scheduled: Timestamp, plan: &mut Plan) {
    if schedule::is_too_late(scheduled, spec, observed.now) {
        let time = jiff::fmt::strtime::format("%a, %d %b %Y %H:%M:%S +0000", scheduled).unwrap_or_default();
        plan.notes.push(warning("MissSchedule", format!("Missed scheduled time to start a job: {time}")));
        return;
    }
    let job = new_job(observed.cron_job, spec, zone, scheduled);
    let active = plan.status.active.clone().unwrap_or_default();
    let is_met = plan.status.last_schedule_time.as_ref().is_some_and(|last| last.0 == scheduled);
    if is_met || active.iter().any(|active| active.name == job.metadata.name) {
        return;
    }
    let policy = spec.concurrency_policy.as_deref();
    if policy == Some("Forbid") && !active.is_empty() {
        let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
        plan.notes.push(normal("JobAlreadyActive", message.to_owned()));
        return;
    }
    let replaces = if policy == Some("Replace") { active } else { Vec::new() };
    plan.start = Some(Box::new(Start { job, scheduled: Time(scheduled), replaces }));
}

/// Takes a Job off the list of those at work.
pub(super) fn forget(status: &mut CronJobStatus, uid: Option<&str>) {
    let active = status.active.take().unwrap_or_default();
    let kept: Vec<_> = active.into_iter().filter(|active| active.uid.as_deref() != uid).collect();
    status.active = Some(kept).filter(|kept| !kept.is_empty());
}

/// The Job for a time, named after its minute.
fn new_job(cron_job: &CronJob, spec: &CronJobSpec, zone: &TimeZone, scheduled: Timestamp) -> Job {
    let template = spec.job_template.clone();
    let meta = template.metadata.unwrap_or_default();
    let mut annotations = meta.annotations.unwrap_or_default();
    annotations.insert(SCHEDULED_AT.to_owned(), at(scheduled, zone));
    let name = cron_job.metadata.name.as_deref().unwrap_or_default();
    let metadata = ObjectMeta {
        name: Some(format!("{name}-{}", scheduled.as_second().div_euclid(60))),
        namespace: cron_job.metadata.namespace.clone(),
        labels: meta.labels,
        annotations: Some(annotations),
        owner_references: Some(vec![controller_reference(cron_job)]),
        ..ObjectMeta::default()
    };
    Job { metadata, spec: template.spec, status: None }
}

/// RFC 3339 by the clocks of the zone.
fn at(time: Timestamp, zone: &TimeZone) -> String {
    let zoned = time.to_zoned(zone.clone());
    match zoned.offset().is_zero() {
        true => sampan_meta::time::format_time(time),
        false => jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%S%:z", &zoned).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;

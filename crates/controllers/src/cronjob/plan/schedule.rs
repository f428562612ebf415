//! Which time of a schedule is the last that has come. As upstream's `utils.go`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sampan_api::k8s::api::batch::v1::{CronJob, CronJobSpec};

use crate::time::or_min;

/// A moment after the time itself, so that clocks that are a little apart do not wake anybody too early.
const DELTA: Duration = Duration::from_millis(100);
/// More times than this and somebody should know.
const MANY: i64 = 100;

/// The last time that has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recent {
    pub(super) time: Option<Timestamp>,
    pub(super) missed: Missed,
}

/// How many times came since the last that was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    None,
    Few,
    Many,
}

type Next<'a> = &'a dyn Fn(Timestamp) -> Option<Timestamp>;

/// From where on times count: the last one met, or the creation.
pub(super) fn since(cron_job: &CronJob) -> Timestamp {
    let last = cron_job.status.as_ref().and_then(|status| status.last_schedule_time.as_ref());
    or_min(last.or(cron_job.metadata.creation_timestamp.as_ref()))
}

/// Times before the deadline are not met any more and need not be counted.
pub(super) fn within_deadline(since: Timestamp, spec: &CronJobSpec, now: Timestamp) -> Timestamp {
    let deadline = spec.starting_deadline_seconds.map(|seconds| earlier(now, seconds));
    deadline.map_or(since, |deadline| deadline.max(since))
}

pub(super) fn is_too_late(scheduled: Timestamp, spec: &CronJobSpec, now: Timestamp) -> bool {
    spec.starting_deadline_seconds.is_some_and(|seconds| scheduled < earlier(now, seconds))
}

fn earlier(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN)
}

/// The last time after `since` that is not after `now`.
///
/// # Errors
/// The schedule names times that never come.
pub(super) fn most_recent(since: Timestamp, now: Timestamp, next: Next<'_>) -> Result<Recent, &'static str> {
    const NEVER: &str = "time difference between two schedules is less than 1 second";
    let first = next(since).ok_or(NEVER)?;
    if now < first {
        return Ok(Recent { time: None, missed: Missed::None });
    }
    let second = next(first).ok_or(NEVER)?;
    if now < second {
        return Ok(Recent { time: Some(first), missed: Missed::None });
    }
    let between = second.as_second() - first.as_second();
    if between < 1 {
        return Err(NEVER);
    }
    let count = (now.as_second() - first.as_second()) / between + 1;
    let missed = if count > MANY { Missed::Many } else { Missed::Few };
    Ok(Recent { time: Some(last_from(first, between, count, now, next)), missed })
}

/// The last time not after `now` of a schedule that begins at `first`. It may have had millions of times since then, so most are jumped
/// over, by the first interval. Others may be longer: the jump is made shorter until a time lies before it. (Upstream tries once.)
fn last_from(first: Timestamp, between: i64, count: i64, now: Timestamp, next: Next<'_>) -> Timestamp {
    let mut short = 2;
    let mut last = first;
    while short < count {
        let jump = SignedDuration::from_secs((count - short).saturating_mul(between));
        let found = first.checked_add(jump).ok().and_then(next).filter(|time| *time <= now);
        if let Some(found) = found {
            last = found;
            break;
        }
        short *= 2;
    }
    while let Some(later) = next(last).filter(|time| *time <= now) {
        last = later;
    }
    last
}

/// How long until the next time comes.
pub(super) fn next_look(since: Timestamp, now: Timestamp, next: Next<'_>) -> Option<Duration> {
    let from = match most_recent(since, now, next) {
        Ok(Recent { time: Some(recent), .. }) => recent,
        Ok(Recent { time: None, .. }) => since,
        Err(_) => now,
    };
    let left = next(from)?.duration_since(now);
    Some(Duration::try_from(left).unwrap_or_default() + DELTA)
}

//! Times as objects hold them: whole seconds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;

/// Cuts off the fraction of a second.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).expect("whole seconds of a timestamp are one")
}

/// How long until `seconds` after `since`; `None` when that is past. An absurd number of seconds never comes.
pub(crate) fn until(since: &Time, seconds: i64, now: Timestamp) -> Option<Duration> {
    let due = since.0.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
    let left = due.duration_since(now);
    Duration::try_from(left).ok().filter(|left| !left.is_zero())
}

/// What is not set sorts and counts as long ago.
pub(crate) fn or_min(time: Option<&Time>) -> Timestamp {
    time.map_or(Timestamp::MIN, |time| time.0)
}

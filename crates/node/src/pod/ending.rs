//! When a pod is to end.

use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::Pod;

use super::facts;
use super::state::{Ending, Eviction, PodState, Step, Why, later};

/// A deleted pod gets at least this long, as the kubelet's minimum.
const LEAST_GRACE: Duration = Duration::from_secs(1);

/// Writes down that the pod ends, or that it has to hurry: a deadline only ever comes nearer, and a stronger reason replaces a weaker one.
pub(crate) fn end(state: &mut PodState, pod: &Pod, why: Why, now: Timestamp) {
    end_within(state, why, grace(pod, why), now);
}

/// The node evicts the pod. One that ends already ends as what it was.
pub(crate) fn evict(state: &mut PodState, pod: &Pod, eviction: Eviction, now: Timestamp) {
    if state.ending.is_some() {
        return;
    }
    let grace = eviction.grace.min(facts::grace_period(pod)).max(LEAST_GRACE);
    state.evicted = Some(eviction);
    end_within(state, Why::Evicted, grace, now);
}

fn end_within(state: &mut PodState, why: Why, grace: Duration, now: Timestamp) {
    let deadline = later(now, grace);
    state.deadline_exceeded |= why == Why::DeadlineExceeded;
    match &mut state.ending {
        None => state.ending = Some(Ending { why, deadline }),
        Some(ending) => {
            ending.why = ending.why.max(why);
            ending.deadline = ending.deadline.min(deadline);
        }
    }
    if state.containers.is_empty() && state.network == Step::Idle && state.volumes == Step::Idle {
        // Never begun: there is nothing to close.
        state.tear_down = Step::Done;
    }
}

fn grace(pod: &Pod, why: Why) -> Duration {
    let deletion = pod.metadata.deletion_grace_period_seconds.map(facts::seconds);
    match why {
        Why::Deleted | Why::Gone => deletion.unwrap_or_else(|| facts::grace_period(pod)).max(LEAST_GRACE),
        Why::Done | Why::DeadlineExceeded | Why::Evicted => facts::grace_period(pod),
    }
}

/// Notices a deletion in the object itself.
pub(crate) fn notice(state: &mut PodState, pod: &Pod, now: Timestamp) {
    if pod.metadata.deletion_timestamp.is_none() {
        return;
    }
    let again = state.ending.as_ref().is_some_and(|ending| ending.why >= Why::Deleted);
    let grace = grace(pod, Why::Deleted);
    if !again || state.ending.as_ref().is_some_and(|ending| later(now, grace) < ending.deadline) {
        end(state, pod, Why::Deleted, now);
    }
}

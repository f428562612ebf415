//! How long a Job waits before it replaces pods that failed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::pod;

use crate::time::or_min;

/// Upstream's `DefaultJobPodFailureBackOff` and `MaxJobPodFailureBackOff`.
const BASE: Duration = Duration::from_secs(10);
const MAX: Duration = Duration::from_secs(10 * 60);

/// The time left of 10 s, doubled for each failure since the last success. `None`: none.
pub(super) fn remaining(pods: &[Arc<Pod>], now: Timestamp) -> Option<Duration> {
    let ended = |phase: &'static str| pods.iter().filter(move |pod| pod::phase(pod) == phase).map(|pod| ended_at(pod));
    let last_success = ended("Succeeded").max().unwrap_or(Timestamp::MIN);
    let failures: Vec<Timestamp> = ended("Failed").filter(|at| *at > last_success).collect();
    let last_failure = failures.iter().max()?;
    left(u32::try_from(failures.len()).unwrap_or(u32::MAX), *last_failure, now)
}

/// What is left of the wait after so many failures, the last of them then.
pub(super) fn left(failures: u32, last: Timestamp, now: Timestamp) -> Option<Duration> {
    let doublings = failures.saturating_sub(1).min(10);
    let delay = BASE.saturating_mul(2_u32.pow(doublings)).min(MAX);
    let since = Duration::try_from(now.duration_since(last)).unwrap_or_default();
    delay.checked_sub(since).filter(|remaining| !remaining.is_zero())
}

/// When the pod's last container ended, or what comes nearest to it.
pub(super) fn ended_at(pod: &Pod) -> Timestamp {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let terminated = statuses.filter_map(|status| status.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref());
    let last = terminated.max().or_else(|| pod::condition(pod, "Ready")?.last_transition_time.as_ref());
    or_min(last.or(pod.metadata.deletion_timestamp.as_ref()).or(pod.metadata.creation_timestamp.as_ref()))
}

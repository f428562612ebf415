//! A limit to failures for each index by itself. As upstream's `indexed_job_utils.go` and KEP-3850.
//!
//! How often an index has failed is told by its newest pod. The last failed pod of an index is kept, uncounted, until the pod that
//! replaces it carries the number on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::Pod;

use super::failure_policy::{Verdict, verdict};
use super::{Observed, backoff, indexes, is_tracked};

pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
pub(super) const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// How often an index has failed before a pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::job) struct Failures {
    pub(in crate::job) counted: u32,
    pub(in crate::job) ignored: u32,
}

impl Failures {
    fn of(pod: &Pod) -> Self {
        let number = |name: &str| pod.metadata.annotations.as_ref()?.get(name)?.parse().ok();
        Self { counted: number(FAILURES).unwrap_or(0), ignored: number(IGNORED).unwrap_or(0) }
    }

    fn total(self) -> u32 {
        self.counted.saturating_add(self.ignored)
    }

    /// Those before the pod that replaces a failed one.
    pub(super) fn after(observed: &Observed<'_>, failed: &Pod) -> Self {
        let before = Self::of(failed);
        match verdict(observed.spec().pod_failure_policy.as_ref(), failed) {
            Verdict::Ignore => Self { ignored: before.ignored.saturating_add(1), ..before },
            _ => Self { counted: before.counted.saturating_add(1), ..before },
        }
    }
}

/// The failed pods that count or are kept: tracked, with an index of the Job.
fn failed<'a>(observed: &'a Observed<'_>) -> impl Iterator<Item = (u32, &'a Arc<Pod>)> {
    let tracked = observed.pods.iter().filter(|pod| is_tracked(pod) && observed.has_failed(pod));
    tracked.filter_map(|pod| Some((observed.index_in_range(pod)?, pod)))
}

/// The indexes that are not tried again: those the status names and those whose newest pod was one too many.
pub(super) fn failed_indexes(observed: &Observed<'_>, known: &str) -> BTreeSet<u32> {
    let Some(limit) = observed.spec().backoff_limit_per_index else { return BTreeSet::new() };
    let mut indexes = indexes::parse(known, observed.completions().unwrap_or(0));
    let limit = u32::try_from(limit).unwrap_or(0);
    let is_last = |pod: &Pod| match verdict(observed.spec().pod_failure_policy.as_ref(), pod) {
        Verdict::FailIndex => true,
        Verdict::Ignore => false,
        Verdict::Count | Verdict::FailJob(_) => Failures::of(pod).counted >= limit,
    };
    indexes.extend(failed(observed).filter(|(_, pod)| is_last(pod)).map(|(index, _)| index));
    indexes
}

/// For each index that is to be tried again and has no pod yet: the failed pod that tells how often it failed.
pub(super) fn kept(
    observed: &Observed<'_>,
    done: &BTreeSet<u32>,
    failed_indexes: &BTreeSet<u32>,
) -> BTreeMap<u32, Arc<Pod>> {
    let mut kept: BTreeMap<u32, Arc<Pod>> = BTreeMap::new();
    if observed.spec().backoff_limit_per_index.is_none() || observed.job.metadata.deletion_timestamp.is_some() {
        return kept;
    }
    let active: BTreeSet<u32> = observed.active().iter().filter_map(|pod| indexes::index_of(pod)).collect();
    for (index, pod) in failed(observed) {
        if done.contains(&index) || failed_indexes.contains(&index) || active.contains(&index) {
            continue;
        }
        let weight = |pod: &Pod| (Failures::of(pod).total(), backoff::ended_at(pod));
        let newer = kept.get(&index).is_none_or(|other| weight(pod) >= weight(other));
        if newer {
            kept.insert(index, pod.clone());
        }
    }
    kept
}

/// How long an index waits after its last failure.
pub(super) fn remaining(observed: &Observed<'_>, last: &Pod) -> Option<Duration> {
    backoff::left(Failures::of(last).total().saturating_add(1), backoff::ended_at(last), observed.now)
}

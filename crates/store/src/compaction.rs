//! When the change log is cut, and where.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Revision, Store};

/// Cuts the log behind a follower. It works only when changes come: an idle store has nothing to cut.
pub(crate) struct Compactor {
    store: Arc<dyn Store>,
    plan: Plan,
    /// Where the log was cut last.
    cut: Arc<AtomicU64>,
    busy: Arc<AtomicBool>,
}

impl Compactor {
    pub(crate) fn new(store: Arc<dyn Store>, revisions: u64, age: Duration) -> Self {
        Compactor { store, plan: Plan::new(revisions, age), cut: Arc::default(), busy: Arc::default() }
    }

    /// Takes notice of where the store is, and starts a compaction when one is worth it.
    pub(crate) fn observe(&mut self, now: Instant, current: Revision) {
        let cut = Revision(self.cut.load(Ordering::SeqCst));
        let Some(to) = self.plan.observe(now, current, cut) else { return };
        if self.busy.swap(true, Ordering::SeqCst) {
            return;
        }
        let (store, cut, busy) = (self.store.clone(), self.cut.clone(), self.busy.clone());
        tokio::spawn(async move {
            match store.compact(to).await {
                Ok(compacted) => cut.store(compacted.0, Ordering::SeqCst),
                Err(error) => tracing::warn!(%error, "change log not compacted; tried again later"),
            }
            busy.store(false, Ordering::SeqCst);
        });
    }
}

/// Decides where to cut: the newer `revisions` and whatever is younger than an age stay.
struct Plan {
    revisions: u64,
    marks: Marks,
}

impl Plan {
    fn new(revisions: u64, age: Duration) -> Self {
        Plan { revisions, marks: Marks::new(age) }
    }

    fn observe(&mut self, now: Instant, current: Revision, cut: Revision) -> Option<Revision> {
        let by_age = self.marks.observe(now, current)?;
        let to = by_age.min(Revision(current.0.saturating_sub(self.revisions)));
        // A quarter more than must be kept may pile up, so that a cut is seldom and removes much.
        let worth_it = to.0 >= cut.0 + (self.revisions / 4).max(1);
        worth_it.then_some(to)
    }
}

/// Where the store was at times about `age / 10` apart.
pub(crate) struct Marks {
    age: Duration,
    marks: VecDeque<(Instant, Revision)>,
}

impl Marks {
    pub(crate) fn new(age: Duration) -> Self {
        Marks { age, marks: VecDeque::new() }
    }

    /// Takes notice of where the store is. Returns the latest place it is known to have been at for `age` or longer.
    pub(crate) fn observe(&mut self, now: Instant, current: Revision) -> Option<Revision> {
        if self.marks.back().is_none_or(|(at, _)| now.duration_since(*at) >= self.age / 10) {
            self.marks.push_back((now, current));
        }
        let old = |(at, _): &(Instant, Revision)| now.duration_since(*at) >= self.age;
        while self.marks.get(1).is_some_and(old) {
            self.marks.pop_front();
        }
        self.marks.front().copied().filter(old).map(|(_, revision)| revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds (seconds, revision) pairs to a plan that keeps 100 revisions and 300 seconds.
    fn cuts(rows: &[(u64, u64)]) -> Vec<Option<u64>> {
        let start = Instant::now();
        let mut plan = Plan::new(100, Duration::from_secs(300));
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut cut = Revision(0);
        let mut observe = |&(time, revision): &(u64, u64)| {
            let to = plan.observe(at(time), Revision(revision), cut)?;
            cut = to;
            Some(to.0)
        };
        rows.iter().map(&mut observe).collect()
    }

    #[test]
    fn young_changes_stay_however_many() {
        assert_eq!(cuts(&[(0, 1), (10, 1000), (299, 100_000)]), [None, None, None]);
    }

    #[test]
    fn few_changes_stay_however_old() {
        assert_eq!(cuts(&[(0, 1), (100_000, 50), (200_000, 100)]), [None, None, None]);
    }

    #[test]
    fn what_is_both_old_and_beyond_the_number_goes_in_large_pieces() {
        assert_eq!(
            cuts(&[(0, 1000), (301, 1010), (302, 5000), (310, 5001), (700, 5002), (1100, 5002)]),
            [None, Some(910), Some(1000), None, None, Some(4902)]
        );
    }
}

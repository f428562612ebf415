//! The recent changes of one resource: what watches resume from and exact reads are made of.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::root::Root;
use super::{Change, Decode, Expired, Options};
use crate::Revision;

/// A root is kept each so many changes, so that an exact read takes back fewer changes than this.
const CHECKPOINT: usize = 64;

/// What a kept change costs beside its object's bytes.
const OVERHEAD: usize = 256;

/// Every change after `start`, the newest last, bounded in number, bytes and age.
pub(super) struct History<T> {
    start: Revision,
    changes: VecDeque<(Instant, Arc<Change<T>>)>,
    bytes: usize,
    checkpoints: VecDeque<Root<T>>,
    since_checkpoint: usize,
}

/// A root at or after a revision, and the changes to take back from it, newest first.
pub(super) struct Rewind<T> {
    pub(super) root: Root<T>,
    pub(super) undone: Vec<Arc<Change<T>>>,
}

impl<T: Decode> History<T> {
    pub(super) fn new(start: Revision) -> Self {
        History { start, changes: VecDeque::new(), bytes: 0, checkpoints: VecDeque::new(), since_checkpoint: 0 }
    }

    /// Adds a change which `root` already shows.
    pub(super) fn push(&mut self, change: Arc<Change<T>>, root: &Root<T>, now: Instant) {
        self.bytes += change.size + OVERHEAD;
        self.changes.push_back((now, change));
        self.since_checkpoint += 1;
        if self.since_checkpoint >= CHECKPOINT {
            self.since_checkpoint = 0;
            self.checkpoints.push_back(root.clone());
        }
    }

    /// Lets go what is beyond the bounds.
    pub(super) fn trim(&mut self, options: &Options, now: Instant) {
        while self.must_drop(options, now) {
            let Some((_, change)) = self.changes.pop_front() else { break };
            self.bytes -= change.size + OVERHEAD;
            self.start = change.revision;
        }
        while self.checkpoints.front().is_some_and(|root| root.revision <= self.start) {
            self.checkpoints.pop_front();
        }
        if self.changes.capacity() > 4 * self.changes.len().max(options.history_minimum) {
            self.changes.shrink_to(2 * self.changes.len());
        }
    }

    fn must_drop(&self, options: &Options, now: Instant) -> bool {
        let too_many = self.changes.len() > options.history_maximum || self.bytes > options.history_bytes;
        let Some((pushed, _)) = self.changes.front() else { return false };
        let old = now.duration_since(*pushed) > options.history_age && self.changes.len() > options.history_minimum;
        too_many || old
    }

    /// The changes after a revision.
    pub(super) fn after(&self, revision: Revision) -> Result<impl Iterator<Item = &Arc<Change<T>>>, Expired> {
        if revision < self.start {
            return Err(Expired { requested: revision, oldest: self.start });
        }
        let from = self.changes.partition_point(|(_, change)| change.revision <= revision);
        Ok(self.changes.range(from..).map(|(_, change)| change))
    }

    /// What makes the state at a revision.
    pub(super) fn rewind(&self, to: Revision, latest: &Root<T>) -> Result<Rewind<T>, Expired> {
        let later = self.checkpoints.partition_point(|root| root.revision < to);
        let root = self.checkpoints.get(later).unwrap_or(latest).clone();
        let mut undone: Vec<_> =
            self.after(to)?.take_while(|change| change.revision <= root.revision).cloned().collect();
        undone.reverse();
        Ok(Rewind { root, undone })
    }
}

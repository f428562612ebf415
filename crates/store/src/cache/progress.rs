//! How far the cache has come, and who waits for it to come further.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::Revision;

/// The published revision. Only those who wait for what a publication reaches are woken by it.
#[derive(Default)]
pub(super) struct Progress {
    current: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    tickets: u64,
    senders: BTreeMap<(Revision, u64), oneshot::Sender<()>>,
}

impl Progress {
    pub(super) fn current(&self) -> Revision {
        Revision(self.current.load(Ordering::SeqCst))
    }

    /// Says that everything up to `revision` is visible.
    pub(super) fn publish(&self, revision: Revision) {
        self.current.store(revision.0, Ordering::SeqCst);
        let reached = {
            let mut waiting = self.waiting.lock();
            let later = waiting.senders.split_off(&(Revision(revision.0.saturating_add(1)), 0));
            std::mem::replace(&mut waiting.senders, later)
        };
        for sender in reached.into_values() {
            // Whoever stopped waiting has nothing to be told.
            let _ = sender.send(());
        }
    }

    /// Returns once `revision` is visible. Dropping the future leaves nothing behind.
    pub(super) async fn reach(&self, revision: Revision) {
        let Some((ticket, receiver)) = self.enqueue(revision) else { return };
        let _guard = Ticket { progress: self, ticket };
        // The sender lives in the map until it is used, and the map as long as `self`.
        let _ = receiver.await;
    }

    fn enqueue(&self, revision: Revision) -> Option<((Revision, u64), oneshot::Receiver<()>)> {
        let mut waiting = self.waiting.lock();
        // Under the lock: a publication either is seen here or finds the sender there.
        if self.current() >= revision {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.tickets += 1;
        let ticket = (revision, waiting.tickets);
        waiting.senders.insert(ticket, sender);
        Some((ticket, receiver))
    }
}

struct Ticket<'a> {
    progress: &'a Progress,
    ticket: (Revision, u64),
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.progress.waiting.lock().senders.remove(&self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_waiter_is_woken_by_the_publication_that_reaches_it() {
        let progress = Progress::default();
        let mut early = Box::pin(progress.reach(Revision(5)));
        let mut late = Box::pin(progress.reach(Revision(9)));
        assert!(early.as_mut().now_or_never().is_none());
        assert!(late.as_mut().now_or_never().is_none());
        progress.publish(Revision(7));
        assert!(early.as_mut().now_or_never().is_some());
        assert!(late.as_mut().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_leaves_nothing_behind() {
        let progress = Progress::default();
        assert!(progress.reach(Revision(5)).now_or_never().is_none());
        assert!(progress.waiting.lock().senders.is_empty());
    }
}

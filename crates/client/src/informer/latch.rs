//! Something that becomes true once. Its waiters wake in the order in which they came, which tokio's `watch` draws by lot: a simulated
//! cluster has to take the same path twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Set by [`Latch`], waited for by its clones; also when the one who was to set it is gone.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Inner>);

#[derive(Default)]
struct Inner {
    set: AtomicBool,
    over: AtomicBool,
    notify: Notify,
}

/// The hand that sets it.
pub(super) struct Latch(Waiting);

/// A latch that is not set, and what waits for it.
pub(super) fn latch() -> (Latch, Waiting) {
    let waiting = Waiting::default();
    (Latch(waiting.clone()), waiting)
}

impl Latch {
    /// Sets it, for ever.
    pub(super) fn set(&self) {
        self.0.0.set.store(true, Ordering::Release);
        self.0.0.notify.notify_waiters();
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.0.0.over.store(true, Ordering::Release);
        self.0.0.notify.notify_waiters();
    }
}

impl Waiting {
    /// Whether it was set.
    pub(super) fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Returns once it is set, or never will be.
    pub(super) async fn done(&self) {
        // Made before the look at the flags: a notification between the two is not missed.
        let notified = self.0.notify.notified();
        if !self.is_set() && !self.0.over.load(Ordering::Acquire) {
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn waiters_are_told_when_it_is_set_and_when_it_never_will_be() {
        let (latch, waiting) = latch();
        let mut early = Box::pin(waiting.done());
        assert!(early.as_mut().now_or_never().is_none());
        latch.set();
        assert!(early.now_or_never().is_some() && waiting.done().now_or_never().is_some() && waiting.is_set());
        let (lost, waiting) = super::latch();
        drop(lost);
        assert!(waiting.done().now_or_never().is_some() && !waiting.is_set());
    }
}

//! Keys waiting to be reconciled: each at most once in the queue and never twice at work.
//!
//! As client-go's `util/workqueue`, without its goroutines: the workers that wait for a key are also the ones that wait for the
//! earliest delayed one, so an idle queue has no task and no timer of its own.

mod state;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sampan_meta::Entropy;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::backoff::BackoffPolicy;
use state::State;

/// What a key has to be able to do.
pub trait Key: Clone + Eq + Ord + Hash + Debug + Send + Sync + 'static {}
impl<T: Clone + Eq + Ord + Hash + Debug + Send + Sync + 'static> Key for T {}

/// A queue of keys. Cloning shares it.
///
/// A key added while it waits is not added again; a key added while a worker has it comes back once the worker is done.
#[derive(Clone)]
pub struct WorkQueue<T: Key> {
    shared: Arc<Shared<T>>,
}

struct Shared<T: Key> {
    state: Mutex<State<T>>,
    changed: Notify,
    policy: BackoffPolicy,
    entropy: Arc<dyn Entropy>,
}

/// A key a worker has in hand. Dropping it says the work is done, whether it ended well or in a panic.
pub struct Work<T: Key> {
    key: T,
    queue: WorkQueue<T>,
    rest: Duration,
}

impl<T: Key> Work<T> {
    /// Lets the key, if it was added again while it was worked on, come back only after this time. What is added meanwhile is taken
    /// together: a burst of changes of a key that is dear to reconcile costs a few reconciles, not one a change.
    pub fn rest(&mut self, rest: Duration) {
        self.rest = rest;
    }
}

impl<T: Key> Deref for Work<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.key
    }
}

impl<T: Key> Drop for Work<T> {
    fn drop(&mut self) {
        let rest_until = (!self.rest.is_zero()).then(|| Instant::now() + self.rest);
        let again = self.queue.shared.state.lock().done(&self.key, rest_until);
        if again {
            self.queue.shared.changed.notify_one();
        }
    }
}

impl<T: Key> WorkQueue<T> {
    /// Makes an empty queue whose failed keys wait as `policy` says.
    pub fn new(policy: BackoffPolicy, entropy: Arc<dyn Entropy>) -> Self {
        let state = Mutex::new(State::default());
        Self { shared: Arc::new(Shared { state, changed: Notify::new(), policy, entropy }) }
    }

    /// Adds a key to be worked on as soon as a worker is free.
    pub fn add(&self, key: T) {
        if self.shared.state.lock().add(key) {
            self.shared.changed.notify_one();
        }
    }

    /// Adds a key after a delay. Of several delays of one key the earliest counts.
    pub fn add_after(&self, key: T, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        // A delay beyond what an Instant can hold (a user's absurd deadline) is as good as a year.
        let now = Instant::now();
        let due = now.checked_add(delay).unwrap_or_else(|| now + Duration::from_secs(365 * 86_400));
        if self.shared.state.lock().add_at(key, due) {
            self.shared.changed.notify_one();
        }
    }

    /// Adds a key that failed, after a delay that doubles with each failure until [`WorkQueue::forget`]. Returns the delay.
    pub fn add_failed(&self, key: T) -> Duration {
        let failures = self.shared.state.lock().failed(&key);
        let delay = self.shared.policy.delay(failures, &*self.shared.entropy);
        self.add_after(key, delay);
        delay
    }

    /// Forgets a key's failures: it succeeded.
    pub fn forget(&self, key: &T) {
        self.shared.state.lock().forget(key);
    }

    /// How often a key failed since it last succeeded.
    #[must_use]
    pub fn failures(&self, key: &T) -> u32 {
        self.shared.state.lock().failures(key)
    }

    /// The number of keys ready to be worked on.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.state.lock().ready()
    }

    /// Whether no key is ready to be worked on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing is ready and nothing at work (delayed keys may wait): what a test or the simulator calls settled.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.shared.state.lock().is_idle()
    }

    /// The next key to work on; waits for one. `None` after [`WorkQueue::shut_down`], once all that was ready has been handed out.
    pub async fn next(&self) -> Option<Work<T>> {
        loop {
            let changed = self.shared.changed.notified();
            let (taken, more, earliest) = {
                let mut state = self.shared.state.lock();
                let taken = state.take(Instant::now());
                if taken.is_none() && state.is_shut_down() {
                    drop(state);
                    self.shared.changed.notify_one();
                    return None;
                }
                (taken, state.ready() > 0, state.earliest())
            };
            if let Some(key) = taken {
                // Another worker takes what else is ready, and over the watch of the earliest delayed key.
                if more || earliest.is_some() {
                    self.shared.changed.notify_one();
                }
                return Some(Work { key, queue: self.clone(), rest: Duration::ZERO });
            }
            wait(changed, earliest).await;
        }
    }

    /// Ends the queue: what is ready is still handed out, what is delayed is dropped, additions are ignored.
    pub fn shut_down(&self) {
        self.shared.state.lock().shut_down();
        self.shared.changed.notify_waiters();
        self.shared.changed.notify_one();
    }
}

async fn wait(changed: impl Future<Output = ()>, earliest: Option<Instant>) {
    match earliest {
        None => changed.await,
        Some(due) => {
            tokio::select! {
                biased;
                () = changed => {}
                () = sleep_until(due) => {}
            }
        }
    }
}

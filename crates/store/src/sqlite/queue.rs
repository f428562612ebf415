//! The way to a thread: a queue whose reader sleeps at once when it is empty.
//!
//! The standard library's channels yield the processor some times before they sleep, which on a busy machine costs a
//! time slice each: several milliseconds between one write and the next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// What a reader got.
pub(super) enum Next<T> {
    Item(T),
    /// Nothing came in time.
    Timeout,
    /// Nothing will come any more.
    Closed,
}

/// Clones share the queue.
pub(super) struct Queue<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Queue { inner: self.inner.clone() }
    }
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let state = Mutex::new(State { items: VecDeque::new(), closed: false });
        Queue { inner: Arc::new(Inner { state, filled: Condvar::new() }) }
    }

    /// Appends an item; says whether it will be read.
    pub(super) fn push(&self, item: T) -> bool {
        let mut state = self.inner.state.lock();
        if !state.closed {
            state.items.push_back(item);
            self.inner.filled.notify_one();
        }
        !state.closed
    }

    /// Takes no more; what is in is still read.
    pub(super) fn close(&self) {
        self.inner.state.lock().closed = true;
        self.inner.filled.notify_one();
    }

    /// Takes no more and drops what is in, for nobody will read it.
    pub(super) fn abandon(&self) {
        self.close();
        let items = std::mem::take(&mut self.inner.state.lock().items);
        drop(items);
    }

    /// Takes the first item, waiting for one until a time, or as long as it takes.
    pub(super) fn next(&self, until: Option<Instant>) -> Next<T> {
        let mut state = self.inner.state.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                return Next::Item(item);
            }
            if state.closed {
                return Next::Closed;
            }
            match until {
                None => self.inner.filled.wait(&mut state),
                Some(until) if Instant::now() >= until => return Next::Timeout,
                Some(until) => drop(self.inner.filled.wait_until(&mut state, until)),
            }
        }
    }

    /// Takes the first item if it passes.
    pub(super) fn next_if(&self, passes: impl FnOnce(&T) -> bool) -> Option<T> {
        let mut state = self.inner.state.lock();
        state.items.front().is_some_and(passes).then(|| state.items.pop_front()).flatten()
    }

    /// Waits until there is an item or a time has come; says whether the first one passes.
    pub(super) fn wait_until(&self, until: Instant, passes: impl FnOnce(&T) -> bool) -> bool {
        let mut state = self.inner.state.lock();
        while state.items.is_empty() && !state.closed && Instant::now() < until {
            self.inner.filled.wait_until(&mut state, until);
        }
        state.items.front().is_some_and(passes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_accepted_before_the_end_is_read() {
        let queue = Queue::new();
        assert!(queue.push(1));
        queue.close();
        assert!(!queue.push(2));
        assert!(matches!(queue.next(None), Next::Item(1)));
        assert!(matches!(queue.next(None), Next::Closed));
    }

    #[test]
    fn an_item_wakes_whoever_waits_without_a_limit() {
        let queue = Queue::new();
        let reader = std::thread::spawn({
            let queue = queue.clone();
            move || matches!(queue.next(None), Next::Item(7))
        });
        assert!(queue.push(7));
        assert!(reader.join().unwrap());
    }

    #[test]
    fn an_item_that_does_not_pass_stays() {
        let queue = Queue::new();
        queue.push(3);
        assert_eq!(queue.next_if(|item| *item > 5), None);
        assert!(!queue.wait_until(Instant::now() + Duration::from_secs(60), |item| *item > 5));
        assert!(matches!(queue.next(Some(Instant::now())), Next::Item(3)));
        assert!(matches!(queue.next(Some(Instant::now())), Next::Timeout));
    }
}

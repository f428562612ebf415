//! One watcher: a queue the follower fills and a stream its owner reads.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use futures::task::AtomicWaker;
use parking_lot::Mutex;

use super::follow::Shared;
use super::resource::Resource;
use super::{Change, Decode, Expired, Options, Scope};
use crate::Revision;

/// Why a watch ended before its owner ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The owner did not take changes as fast as they came; it may watch again from where it was.
    #[error("the watcher is too slow")]
    TooSlow,
    /// The store's history was cut below the watcher: list again.
    #[error(transparent)]
    Expired(#[from] Expired),
}

/// Whether a mailbox takes more.
#[derive(PartialEq, Eq)]
pub(super) enum Delivery {
    Open,
    Ended,
}

pub(super) struct Mailbox<T> {
    pub(super) scope: Scope,
    after: Revision,
    queue: Mutex<Queue<T>>,
    waker: AtomicWaker,
}

struct Queue<T> {
    changes: VecDeque<Arc<Change<T>>>,
    bytes: usize,
    /// What may still come: the bounds of the options, above the history the watcher began with.
    changes_limit: usize,
    bytes_limit: usize,
    taken: Revision,
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    Quiet,
    Error(WatchError),
}

impl<T: Decode> Mailbox<T> {
    /// A mailbox that starts with the changes a watcher missed. They are shared with the history.
    pub(super) fn new(scope: Scope, after: Revision, missed: Vec<Arc<Change<T>>>, options: &Options) -> Self {
        let bytes = missed.iter().map(|change| change.size).sum();
        let queue = Queue {
            changes_limit: missed.len() + options.watcher_changes,
            bytes_limit: bytes + options.watcher_bytes,
            bytes,
            changes: missed.into(),
            taken: after,
            end: None,
        };
        Mailbox { scope, after, queue: Mutex::new(queue), waker: AtomicWaker::new() }
    }

    pub(super) fn deliver(&self, change: &Arc<Change<T>>) -> Delivery {
        if change.revision <= self.after || !self.scope.covers(change) {
            return Delivery::Open;
        }
        {
            let mut queue = self.queue.lock();
            // A single object beyond the bound is not the watcher's fault, hence the check before the push.
            if queue.changes.len() < queue.changes_limit && queue.bytes < queue.bytes_limit {
                queue.bytes += change.size;
                queue.changes.push_back(change.clone());
                drop(queue);
                self.waker.wake();
                return Delivery::Open;
            }
        }
        self.end(Some(WatchError::TooSlow));
        Delivery::Ended
    }
}

impl<T> Mailbox<T> {
    /// Ends the stream, with an error at once or quietly after what is queued.
    pub(super) fn end(&self, error: Option<WatchError>) {
        {
            let mut queue = self.queue.lock();
            if queue.end.is_none() {
                queue.end = Some(error.map_or(End::Quiet, End::Error));
            }
            if error.is_some() {
                queue.changes = VecDeque::new();
                queue.bytes = 0;
            }
        }
        self.waker.wake();
    }
}

/// The changes of one scope, in order, without gap or repeat, until its owner drops it or it ends with an error.
pub struct Watcher<T> {
    pub(super) id: u64,
    pub(super) mailbox: Arc<Mailbox<T>>,
    pub(super) resource: Arc<Resource<T>>,
    pub(super) shared: Arc<Shared<T>>,
    ended: bool,
}

impl<T> Watcher<T> {
    pub(super) fn new(id: u64, mailbox: Arc<Mailbox<T>>, resource: Arc<Resource<T>>, shared: Arc<Shared<T>>) -> Self {
        Watcher { id, mailbox, resource, shared, ended: false }
    }

    /// The revision up to which this watcher's owner has been given everything: what a bookmark may say.
    pub fn progress(&self) -> Revision {
        // Read first: changes up to it were queued before it was published.
        let current = self.shared.progress.current();
        let queue = self.mailbox.queue.lock();
        match queue.changes.front() {
            Some(next) => Revision(next.revision.0 - 1),
            None if queue.end.is_some() => queue.taken,
            None => queue.taken.max(current),
        }
    }
}

impl<T> Stream for Watcher<T> {
    type Item = Result<Arc<Change<T>>, WatchError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.mailbox.waker.register(cx.waker());
        let mut queue = self.mailbox.queue.lock();
        if let Some(change) = queue.changes.pop_front() {
            queue.taken(&change);
            return Poll::Ready(Some(Ok(change)));
        }
        let Some(end) = queue.end else { return Poll::Pending };
        drop(queue);
        self.ended = true;
        match end {
            End::Quiet => Poll::Ready(None),
            End::Error(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl<T> Queue<T> {
    fn taken(&mut self, change: &Change<T>) {
        self.taken = change.revision;
        self.bytes -= change.size;
        if self.changes.is_empty() && self.changes.capacity() > 256 {
            self.changes = VecDeque::new();
        }
    }
}

impl<T> Drop for Watcher<T> {
    fn drop(&mut self) {
        self.resource.forget(&self.mailbox.scope, self.id);
    }
}

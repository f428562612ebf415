//! How changes reach followers: straight from whoever committed them, and from the log wherever that leaves a gap.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{Batch, Change, Error, Revision};

/// Batches a follower may lag behind before it is sent to the log.
const CAPACITY: usize = 64;

/// The changes one read of the log returns at most.
pub(crate) const LOG_READ_LIMIT: usize = 1000;

/// Reads the change log.
pub(crate) trait Log: Send + Sync + 'static {
    /// The changes after a revision, at most [`LOG_READ_LIMIT`]. `Compacted` if the log does not reach back to it, or the
    /// store has never been there.
    fn read(&self, after: Revision) -> BoxFuture<'_, Result<Tail, Error>>;
}

/// One read of the log.
pub(crate) struct Tail {
    pub(crate) batch: Batch,
    /// Whether the batch reaches to the store's revision at the time of the read.
    pub(crate) complete: bool,
}

impl Tail {
    /// The tail made of a read of the log together with the store's revision, in one view.
    pub(crate) fn new(changes: Vec<Change>, current: Revision) -> Self {
        let complete = changes.len() < LOG_READ_LIMIT;
        let revision = match changes.last() {
            Some(last) if !complete => last.revision,
            _ => current,
        };
        Tail { batch: Batch { revision, changes }, complete }
    }
}

#[derive(Clone)]
enum Signal {
    /// A batch, and the store's revision before it.
    Committed(Revision, Arc<Batch>),
    /// The store is known to be at least here.
    Hint(Revision),
    /// The history is not the one followers know.
    Reset(Revision),
    /// The store does not answer.
    Failed(Error),
    Closed,
}

/// Tells followers what is committed, in order.
#[derive(Clone)]
pub(crate) struct Feed {
    sender: broadcast::Sender<Signal>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Feed { sender: broadcast::channel(CAPACITY).0 }
    }

    /// Hands over a batch this process committed when the store was at `previous`.
    pub(crate) fn committed(&self, previous: Revision, batch: Batch) {
        // Without followers there is nobody to tell; so it is with the other signals.
        let _ = self.sender.send(Signal::Committed(previous, Arc::new(batch)));
    }

    /// Says that somebody else committed something up to `revision`.
    pub(crate) fn hint(&self, revision: Revision) {
        let _ = self.sender.send(Signal::Hint(revision));
    }

    /// Sends every follower to load anew.
    pub(crate) fn reset(&self, revision: Revision) {
        let _ = self.sender.send(Signal::Reset(revision));
    }

    /// Tells followers that changes may happen unseen; they ask again by themselves.
    pub(crate) fn failed(&self, error: &Error) {
        let _ = self.sender.send(Signal::Failed(error.clone()));
    }

    /// Ends every follower's stream.
    pub(crate) fn close(&self) {
        let _ = self.sender.send(Signal::Closed);
    }

    /// The stream of `Store::changes`. Its first batch says at once how far the log reaches, be it empty.
    pub(crate) fn follow(&self, after: Revision, log: Arc<dyn Log>) -> BoxStream<'static, Result<Batch, Error>> {
        let follower = Follower { receiver: self.sender.subscribe(), log, last: after, behind: true };
        stream::unfold(Some(follower), |follower| async move {
            let mut follower = follower?;
            let batch = follower.next().await;
            let next = batch.is_ok().then_some(follower);
            Some((batch, next))
        })
        .boxed()
    }
}

struct Follower {
    receiver: broadcast::Receiver<Signal>,
    log: Arc<dyn Log>,
    last: Revision,
    behind: bool,
}

impl Follower {
    async fn next(&mut self) -> Result<Batch, Error> {
        loop {
            if self.behind {
                let Tail { batch, complete } = self.log.read(self.last).await?;
                self.behind = !complete;
                self.last = batch.revision;
                return Ok(batch);
            }
            match self.receiver.recv().await {
                Ok(Signal::Committed(previous, batch)) if previous <= self.last => {
                    if let Some(batch) = self.take(batch) {
                        return Ok(batch);
                    }
                }
                Ok(Signal::Committed(..)) | Err(RecvError::Lagged(_)) => self.behind = true,
                Ok(Signal::Hint(revision)) => self.behind = revision > self.last,
                Ok(Signal::Reset(oldest)) => return Err(Error::Compacted { requested: self.last, oldest }),
                Ok(Signal::Failed(error)) => return Err(error),
                Ok(Signal::Closed) | Err(RecvError::Closed) => return Err(closed()),
            }
        }
    }

    /// The part of a handed over batch the follower has not seen.
    fn take(&mut self, batch: Arc<Batch>) -> Option<Batch> {
        if batch.revision <= self.last {
            return None;
        }
        let mut batch = Arc::unwrap_or_clone(batch);
        batch.changes.retain(|change| change.revision > self.last);
        self.last = batch.revision;
        Some(batch)
    }
}

pub(crate) fn closed() -> Error {
    Error::Unavailable("it was closed".into())
}

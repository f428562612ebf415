//! Writes on their way to a writer that commits many at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{Durability, Error, Key, Revision, Write, feed, record};

/// Writes that may wait at the same time; more callers wait before the queue.
const WAITING: usize = 4096;

/// The most writes in one transaction.
pub(crate) const BATCH_WRITES: usize = 512;

/// The most bytes in one transaction, unless a single write is larger.
pub(crate) const BATCH_BYTES: usize = 8 << 20;

/// What a caller wants done.
pub(crate) struct Request {
    pub(crate) key: Key,
    pub(crate) write: Write,
}

/// A request and who waits for its end.
pub(crate) struct Pending {
    pub(crate) request: Request,
    pub(crate) durability: Durability,
    reply: Option<oneshot::Sender<Result<Revision, Error>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pending {
    /// A write of the store's own, for which nobody waits.
    pub(crate) fn unattended(request: Request) -> Self {
        Pending { request, durability: Durability::Relaxed, reply: None, _permit: None }
    }

    pub(crate) fn answer(self, result: Result<Revision, Error>) {
        // Whoever gave up waiting does not want to know.
        if let Some(reply) = self.reply {
            let _ = reply.send(result);
        }
    }
}

/// Bounds how many writes wait.
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Gate { permits: Arc::new(Semaphore::new(WAITING)) }
    }

    /// Passes a write to the writer by `send`, which says whether the writer is still there, and waits for its answer.
    pub(crate) async fn submit(
        &self,
        key: Key,
        write: Write,
        durability: Durability,
        send: impl FnOnce(Pending) -> bool,
    ) -> Result<Revision, Error> {
        record::check(&key, &write)?;
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| feed::closed())?;
        let (reply, answer) = oneshot::channel();
        let request = Request { key, write };
        if !send(Pending { request, durability, reply: Some(reply), _permit: Some(permit) }) {
            return Err(feed::closed());
        }
        answer.await.unwrap_or_else(|_| Err(feed::closed()))
    }
}

/// Whether a batch of so many writes and bytes takes another write.
pub(crate) fn fits(batch: &[Pending], bytes: usize) -> bool {
    batch.len() < BATCH_WRITES && bytes < BATCH_BYTES
}

//! The seam: what every store does.

use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::{Batch, Durability, Error, Key, Load, Page, Record, Revision, Write};

/// Objects by key, one history of revisions over all of them, and a log of recent changes.
///
/// # Contract
/// - Writes and `current` are linearizable over all processes that share the store; so are reads that follow them.
/// - Revision order is commit order: who has seen revision `n` never later meets a new change at or below `n`.
/// - An answered write is kept as its `Durability` says. A write that failed with `Unavailable` may yet have happened.
/// - A caller that drops a future of `write` leaves it open whether the write happens.
/// - After a failure of what lies beneath, calls succeed again by themselves once it is well.
pub trait Store: Send + Sync + 'static {
    /// Does one conditional write and returns its revision once it is as durable as asked.
    fn write(&self, key: Key, write: Write, durability: Durability) -> BoxFuture<'_, Result<Revision, Error>>;

    /// Reads one object.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, Error>>;

    /// Reads at most `limit` objects of a resource in key order, of one namespace or all, that follow `after`
    /// (namespace, name).
    fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: Option<&'a str>,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, Error>>;

    /// Reads everything at one revision.
    fn load(&self) -> BoxFuture<'_, Result<Load, Error>>;

    /// The revision of the last write any process has committed.
    fn current(&self) -> BoxFuture<'_, Result<Revision, Error>>;

    /// The same without asking anybody, where this process is the only one that writes.
    fn known_current(&self) -> Option<Revision> {
        None
    }

    /// All changes after a revision: first those of the past, then each as it is committed, without end.
    ///
    /// The stream ends after an error: with `Compacted` the follower has to load anew (the log does not reach back, or
    /// the store was reset to another history), with a retryable one it calls again with the last revision it saw.
    fn changes(&self, after: Revision) -> BoxStream<'static, Result<Batch, Error>>;

    /// The revision after which the change log is complete.
    fn compacted(&self) -> BoxFuture<'_, Result<Revision, Error>>;

    /// Forgets the changes up to and including a revision; objects stay. Going back or beyond the present does no harm.
    /// Returns the revision after which the log is now complete.
    fn compact(&self, to: Revision) -> BoxFuture<'_, Result<Revision, Error>>;

    /// The number of the history: another one means that revisions seen before mean nothing any more.
    fn epoch(&self) -> BoxFuture<'_, Result<u64, Error>>;

    /// Finishes what was accepted and closes files and connections. Calls after it fail.
    fn close(&self) -> BoxFuture<'_, ()>;
}

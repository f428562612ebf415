//! The watch cache: everything the store holds, decoded once, in memory, with recent history.
//!
//! One per process. It loads all objects, follows the store's changes on one task, and answers reads and watches without
//! asking the store again. Readers never wait for the follower: they take the last published map, which is persistent, so
//! that a snapshot costs nothing and stays as it was.

mod coalesce;
mod follow;
mod history;
mod mailbox;
mod progress;
mod resource;
mod root;
mod snapshot;
mod watchers;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::{Durability, Error, Key, Op, Record, Revision, Store, Write};
use follow::Shared;

pub use mailbox::{WatchError, Watcher};
pub use snapshot::Snapshot;

/// What somebody makes of an object's bytes, once per change.
pub trait Decode: Sized + Send + Sync + 'static {
    /// Reads a record. An error leaves the object out of the cache (and is logged); it never stops the others.
    fn decode(record: &Record) -> Result<Self, String>;

    /// The value by which watchers and lists may select this object cheaply: of a pod, the node it is bound to.
    fn index(&self) -> Option<Arc<str>> {
        None
    }
}

/// One change as watchers see it.
#[derive(Debug)]
pub struct Change<T> {
    /// The change's revision.
    pub revision: Revision,
    /// What happened, as the cache saw it.
    pub op: Op,
    /// The object's place.
    pub key: Key,
    /// The state before; `None` for a create.
    pub previous: Option<Arc<T>>,
    /// The new state; of a deleted object the last one, decoded with the deletion's revision.
    pub object: Arc<T>,
    size: usize,
}

/// The part of a resource a watcher is told about. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only this namespace.
    pub namespace: Option<Arc<str>>,
    /// Only objects of this name.
    pub name: Option<Arc<str>>,
    /// Only objects whose [`Decode::index`] is, or was before the change, this value.
    pub index: Option<Arc<str>>,
}

/// Which state a snapshot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The newest the cache has.
    Latest,
    /// The state right after this revision.
    Exact(Revision),
}

/// The state or changes asked for are older than the history the cache keeps: read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {requested} ({oldest})")]
pub struct Expired {
    /// The revision asked for.
    pub requested: Revision,
    /// The oldest one that would have been answered.
    pub oldest: Revision,
}

/// The cache did not reach a revision in time: it does not exist yet, or the store lags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too large resource version: {requested}, current: {current}")]
pub struct TooLarge {
    /// The revision asked for.
    pub requested: Revision,
    /// Where the cache is.
    pub current: Revision,
}

/// How much the cache keeps, and how long it waits.
#[derive(Clone, Debug)]
pub struct Options {
    /// Changes of a resource that are kept however old they are.
    pub history_minimum: usize,
    /// The most changes kept of a resource.
    pub history_maximum: usize,
    /// The most bytes of objects kept in the changes of a resource.
    pub history_bytes: usize,
    /// Changes older than this are let go once there are more than the minimum, and exact reads of older states refused.
    pub history_age: Duration,
    /// Live changes that may wait for one watcher before it is ended as too slow.
    pub watcher_changes: usize,
    /// The bytes of objects that may wait for one watcher.
    pub watcher_bytes: usize,
    /// How long a read waits for the cache to reach a revision.
    pub wait: Duration,
    /// How many revisions the store's change log keeps at least.
    pub log_revisions: u64,
    /// How long the store's change log keeps each change at least.
    pub log_age: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            history_minimum: 100,
            history_maximum: 100_000,
            history_bytes: 16 << 20,
            history_age: Duration::from_secs(300),
            watcher_changes: 10_000,
            watcher_bytes: 16 << 20,
            wait: Duration::from_secs(3),
            log_revisions: 10_000,
            log_age: Duration::from_secs(300),
        }
    }
}

/// The cache over one store; see the module.
pub struct WatchCache<T> {
    shared: Arc<Shared<T>>,
    follower: AbortHandle,
}

impl<T: Decode> WatchCache<T> {
    /// Loads everything and follows from there. Fails only if the store cannot be read now; later failures are survived.
    pub async fn start(store: Arc<dyn Store>, options: Options) -> Result<Arc<Self>, Error> {
        let shared = Shared::load(store, options).await?;
        let follower = tokio::spawn(follow::run(shared.clone())).abort_handle();
        Ok(Arc::new(WatchCache { shared, follower }))
    }

    /// Writes through to the store and returns once this cache shows the write (or cannot keep up: the write stands).
    pub async fn write(&self, key: Key, write: Write, durability: Durability) -> Result<Revision, Error> {
        let revision = self.shared.store.write(key, write, durability).await?;
        if self.at_least(revision).await.is_err() {
            tracing::warn!(%revision, "the watch cache does not keep up with the store's writes");
        }
        Ok(revision)
    }

    /// The object as the cache has it now.
    pub fn get(&self, key: &Key) -> Option<Arc<T>> {
        self.shared.find(&key.resource)?.root().get(&key.namespace, &key.name).cloned()
    }

    /// The revision up to which the cache has seen everything.
    pub fn current(&self) -> Revision {
        self.shared.progress.current()
    }

    /// Waits until the cache shows all that had been committed, by anybody, when the call was made: after it a read of
    /// the cache is linearizable. Concurrent calls share one question to the store.
    pub async fn fresh(&self) -> Result<Revision, Error> {
        let shared = &self.shared;
        let revision = match shared.store.known_current() {
            Some(revision) => revision,
            None => shared.coalesce.current(&shared.store).await?,
        };
        match self.at_least(revision).await {
            Ok(()) => Ok(revision),
            Err(behind) => Err(Error::Unavailable(format!("the watch cache is behind: {behind}"))),
        }
    }

    /// Waits, not longer than `Options::wait`, until the cache has seen a revision.
    pub async fn at_least(&self, revision: Revision) -> Result<(), TooLarge> {
        let Shared { progress, options, .. } = &*self.shared;
        if progress.current() >= revision {
            return Ok(());
        }
        let reached = tokio::time::timeout(options.wait, progress.reach(revision)).await;
        reached.map_err(|_| TooLarge { requested: revision, current: progress.current() })
    }

    /// A resource's objects at one revision, at no cost; an exact one lies within the history kept, and is not older than
    /// `Options::history_age` even where that reaches further: whoever pages that slowly is told so, as upstream tells it after a
    /// compaction.
    pub fn snapshot(&self, resource: &str, at: &At) -> Result<Snapshot<T>, Expired> {
        if let At::Exact(revision) = at {
            self.shared.check_age(*revision)?;
        }
        let current = self.current();
        self.shared.resource(resource).snapshot(at, current)
    }

    /// Follows a resource from the change after a revision.
    pub fn watch(&self, resource: &str, scope: Scope, after: Revision) -> Result<Watcher<T>, Expired> {
        self.shared.resource(resource).watch(scope, after, &self.shared)
    }

    /// The last revision that touched any object of a resource; 0 when none is known.
    pub fn resource_version(&self, resource: &str) -> u64 {
        self.shared.find(resource).map_or(0, |found| found.root().revision.0)
    }

    /// Whether the cache follows the store; the error says why it does not. What it has is served meanwhile.
    pub fn healthy(&self) -> Result<(), Error> {
        self.shared.health()
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// Stops following and ends every watcher's stream.
    pub fn close(&self) {
        self.follower.abort();
        self.shared.end_watchers();
    }
}

impl<T> Drop for WatchCache<T> {
    fn drop(&mut self) {
        self.follower.abort();
        self.shared.end_watchers();
    }
}

impl<T> fmt::Debug for WatchCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchCache").field("current", &self.shared.progress.current()).finish_non_exhaustive()
    }
}

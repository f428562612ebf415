//! The store of a single server: one SQLite file, written by one thread that commits all waiting writes at once.
//!
//! Only one process may have the file open (a lock file beside it sees to that), so that the store knows its revision
//! without asking. Reads run on a second thread with its own connection and never wait for the writer.

mod convert;
mod database;
mod dump;
mod queue;
mod reader;
mod transaction;
mod upkeep;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::BoxStream;
use parking_lot::Mutex;
use sampan_meta::Clock;
use tokio::sync::oneshot;

use crate::feed::{self, Feed};
use crate::pending::Gate;
use crate::{Batch, Durability, Error, Key, Load, Page, Record, Revision, Store, Write};
use database::{Database, LockFile};
use queue::Queue;
use reader::Reader;
use writer::{Command, Writer};

/// How the SQLite store works.
#[derive(Clone)]
pub struct SqliteOptions {
    /// Tells what has expired.
    pub clock: Arc<dyn Clock>,
    /// How long relaxed writes wait for others to join their transaction.
    pub gather: Duration,
    /// How long to wait for another program that holds the file's lock.
    pub busy: Duration,
}

impl SqliteOptions {
    /// The defaults: 5 ms to gather, 1 s when busy.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        SqliteOptions { clock, gather: Duration::from_millis(5), busy: Duration::from_secs(1) }
    }
}

/// See the module.
pub struct SqliteStore {
    shared: Arc<Shared>,
    commands: Queue<Command>,
    gate: Gate,
    reader: Arc<Reader>,
}

/// What both threads and all callers see.
struct Shared {
    path: PathBuf,
    options: SqliteOptions,
    revision: AtomicU64,
    feed: Feed,
    /// Held as long as a thread may write the file.
    lock: Mutex<Option<LockFile>>,
}

impl Shared {
    fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::SeqCst))
    }

    fn set_revision(&self, revision: Revision) {
        self.revision.store(revision.0, Ordering::SeqCst);
    }
}

impl SqliteStore {
    /// Opens the file, or makes it (readable by its owner only) in a directory that exists. Blocks for some milliseconds.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, Error> {
        let lock = LockFile::take(path, options.busy)?;
        let (database, revision) = Database::create(path, options.busy)?;
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            options,
            revision: AtomicU64::new(revision.0),
            feed: Feed::new(),
            lock: Mutex::new(Some(lock)),
        });
        let commands = Writer::spawn(database, shared.clone())?;
        let reader = Reader::spawn(shared.clone())?;
        Ok(SqliteStore { shared, commands, gate: Gate::new(), reader })
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        if !self.commands.push(command(reply)) {
            return Err(feed::closed());
        }
        answer.await.unwrap_or_else(|_| Err(feed::closed()))
    }
}

impl Store for SqliteStore {
    fn write(&self, key: Key, write: Write, durability: Durability) -> BoxFuture<'_, Result<Revision, Error>> {
        let send = |pending| self.commands.push(Command::Write(pending));
        self.gate.submit(key, write, durability, send).boxed()
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, Error>> {
        let key = key.clone();
        self.reader.read(move |connection| reader::get(connection, &key)).boxed()
    }

    fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: Option<&'a str>,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        let list = reader::List::new(resource, namespace, after, limit);
        self.reader.read(move |connection| list.run(connection)).boxed()
    }

    fn load(&self) -> BoxFuture<'_, Result<Load, Error>> {
        reader::load(self.shared.clone()).boxed()
    }

    fn current(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        self.reader.read(|connection| Ok(reader::position(connection)?.revision)).boxed()
    }

    fn known_current(&self) -> Option<Revision> {
        Some(self.shared.revision())
    }

    fn changes(&self, after: Revision) -> BoxStream<'static, Result<Batch, Error>> {
        self.shared.feed.follow(after, self.reader.clone())
    }

    fn compacted(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        self.reader.read(|connection| Ok(reader::position(connection)?.compacted)).boxed()
    }

    fn compact(&self, to: Revision) -> BoxFuture<'_, Result<Revision, Error>> {
        self.ask(move |reply| Command::Compact(to, reply)).boxed()
    }

    fn epoch(&self) -> BoxFuture<'_, Result<u64, Error>> {
        self.reader.read(|connection| Ok(reader::position(connection)?.epoch)).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            // An error means that it was closed before.
            let _ = self.ask(Command::Close).await;
            self.reader.close().await;
            self.shared.lock.lock().take();
        }
        .boxed()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.commands.close();
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sampan_meta::ManualClock;

    fn store() -> (tempfile::TempDir, SqliteStore) {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(Arc::new(ManualClock::default()));
        let store = SqliteStore::open(&directory.path().join("store.db"), options).unwrap();
        (directory, store)
    }

    #[tokio::test]
    async fn a_panic_in_a_query_is_an_error_to_its_caller_only() {
        let (_directory, store) = store();
        let panicked: Result<(), _> = store.reader.read(|_| panic!("as it should never")).await;
        assert!(matches!(panicked, Err(Error::Unavailable(_))));
        assert_eq!(store.current().await, Ok(Revision(0)));
    }

    #[tokio::test]
    async fn a_write_behind_the_end_is_answered() {
        let (_directory, store) = store();
        let (closing, _closed) = oneshot::channel();
        let write = Write::Create { data: Bytes::from_static(b"{}"), expires: None };
        let write = store.write(Key::new("/configmaps", "default", "late"), write, Durability::Durable);
        assert!(store.commands.push(Command::Close(closing)));
        assert!(matches!(write.await, Err(Error::Unavailable(_))));
    }
}

//! Reads, on a thread of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::{mpsc as channel, oneshot};

use super::convert::{self, Interner, revision, to_sql};
use super::queue::{Next, Queue};
use super::{Database, Shared};
use crate::feed::{self, LOG_READ_LIMIT, Log, Tail};
use crate::{Error, Key, Load, Page, Record, Revision};

/// Records handed over at a time while everything is read.
const LOAD_PART: usize = 256;

type Job = Box<dyn FnOnce(Result<&mut Connection, Error>, &Path) + Send>;

/// The way to the reading thread.
pub(super) struct Reader {
    jobs: Queue<Job>,
}

/// Where the store is.
pub(super) struct Position {
    pub(super) revision: Revision,
    pub(super) compacted: Revision,
    pub(super) epoch: u64,
}

impl Reader {
    pub(super) fn spawn(shared: Arc<Shared>) -> Result<Arc<Self>, Error> {
        let jobs = Queue::new();
        let received = jobs.clone();
        thread::Builder::new()
            .name("sqlite-reader".into())
            .spawn(move || run(&received, &shared))
            .map_err(|error| Error::Unavailable(format!("no thread to read with: {error}")))?;
        Ok(Arc::new(Reader { jobs }))
    }

    /// Runs a query on the thread. A panic in it, which there should not be, is an error to its caller only.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection, path| {
            let result = connection.and_then(|found| query(found).map_err(|error| convert::error(path, &error)));
            let _ = reply.send(result);
        });
        if !self.jobs.push(job) {
            return Err(feed::closed());
        }
        answer.await.unwrap_or_else(|_| Err(feed::closed()))
    }

    /// Returns when the thread has done what it was asked before.
    pub(super) async fn close(&self) {
        let (reply, answer) = oneshot::channel::<()>();
        let accepted = self.jobs.push(Box::new(move |_, _| drop(reply)));
        self.jobs.close();
        if accepted {
            let _ = answer.await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.jobs.close();
    }
}

fn run(jobs: &Queue<Job>, shared: &Shared) {
    let mut database: Option<Database> = None;
    while let Next::Item(job) = jobs.next(None) {
        let ready = ensure_open(&mut database, shared);
        let connection = ready.map(|()| &mut database.as_mut().expect("it was just opened").connection);
        // The caller's answer goes with the job; the connection may be amid something.
        if catch_unwind(AssertUnwindSafe(|| job(connection, &shared.path))).is_err() {
            database = None;
        }
    }
}

fn ensure_open(database: &mut Option<Database>, shared: &Shared) -> Result<(), Error> {
    if database.as_ref().is_some_and(|database| database.check_in_place().is_err()) {
        *database = None;
    }
    if database.is_none() {
        *database = Some(Database::open(&shared.path, shared.options.busy)?);
    }
    Ok(())
}

pub(super) fn position(connection: &Connection) -> rusqlite::Result<Position> {
    let mut statement = connection.prepare_cached("SELECT rev, compacted, epoch FROM revision WHERE one = 1")?;
    statement.query_row([], |row| {
        Ok(Position { revision: revision(row, 0)?, compacted: revision(row, 1)?, epoch: revision(row, 2)?.0 })
    })
}

pub(super) fn get(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Record>> {
    const GET: &str = "SELECT resource, namespace, name, rev, create_rev, data FROM object
                       WHERE resource = ?1 AND namespace = ?2 AND name = ?3";
    let mut statement = connection.prepare_cached(GET)?;
    let row = params![&*key.resource, &*key.namespace, &*key.name];
    statement.query_row(row, |row| Interner::default().record(row)).optional()
}

/// The parameters of one page.
pub(super) struct List {
    resource: String,
    namespace: Option<String>,
    after: Option<(String, String)>,
    limit: usize,
}

impl List {
    pub(super) fn new(resource: &str, namespace: Option<&str>, after: Option<(&str, &str)>, limit: usize) -> Self {
        let after = after.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        List { resource: resource.to_owned(), namespace: namespace.map(str::to_owned), after, limit }
    }

    pub(super) fn run(self, connection: &mut Connection) -> rusqlite::Result<Page> {
        const ALL: &str = "SELECT resource, namespace, name, rev, create_rev, data FROM object
                           WHERE resource = ?1 AND (namespace, name) > (?2, ?3)
                           ORDER BY namespace, name LIMIT ?4";
        const ONE: &str = "SELECT resource, namespace, name, rev, create_rev, data FROM object
                           WHERE resource = ?1 AND namespace = ?2 AND name > ?3
                           ORDER BY name LIMIT ?4";
        let transaction = connection.transaction()?;
        let revision = position(&transaction)?.revision;
        let sql = if self.namespace.is_some() { ONE } else { ALL };
        let (namespace, name) = self.start();
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut interner = Interner::default();
        let mut statement = transaction.prepare_cached(sql)?;
        let rows = statement.query_map(params![self.resource, namespace, name, limit], |row| interner.record(row))?;
        let mut records = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let more = records.len() > self.limit;
        records.truncate(self.limit);
        Ok(Page { revision, records, more })
    }

    /// The place after which the page starts. No name is empty, so that an empty one precedes all.
    fn start(&self) -> (&str, &str) {
        let first = (self.namespace.as_deref().unwrap_or_default(), "");
        let after = self.after.as_ref().map_or(first, |(namespace, name)| (namespace, name));
        match &self.namespace {
            // A place beyond the namespace leaves nothing of it: no name is greater than the greatest character.
            Some(wanted) if after.0 > wanted.as_str() => (wanted, "\u{10FFFF}"),
            _ => after.max(first),
        }
    }
}

impl Log for Reader {
    fn read(&self, after: Revision) -> BoxFuture<'_, Result<Tail, Error>> {
        async move { self.read(move |connection| tail(connection, after)).await? }.boxed()
    }
}

fn tail(connection: &mut Connection, after: Revision) -> rusqlite::Result<Result<Tail, Error>> {
    const TAIL: &str = "SELECT resource, namespace, name, rev, create_rev, data, op FROM event
                        WHERE rev > ?1 ORDER BY rev LIMIT ?2";
    let transaction = connection.transaction()?;
    let Position { revision, compacted, .. } = position(&transaction)?;
    if after < compacted || after > revision {
        return Ok(Err(Error::Compacted { requested: after, oldest: compacted }));
    }
    let mut interner = Interner::default();
    let mut statement = transaction.prepare_cached(TAIL)?;
    let limit = i64::try_from(LOG_READ_LIMIT).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![to_sql(after), limit], |row| interner.change(row))?;
    let changes = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Ok(Tail::new(changes, revision)))
}

/// What is read of a file besides its position.
pub(super) struct Source<T> {
    pub(super) path: PathBuf,
    pub(super) busy: Duration,
    pub(super) sql: &'static str,
    pub(super) read: fn(&mut Interner, &Row<'_>) -> rusqlite::Result<T>,
}

pub(super) async fn load(shared: Arc<Shared>) -> Result<Load, Error> {
    const ALL: &str = "SELECT resource, namespace, name, rev, create_rev, data FROM object
                       ORDER BY resource, namespace, name";
    let source = Source { path: shared.path.clone(), busy: shared.options.busy, sql: ALL, read: Interner::record };
    let (Position { revision, epoch, .. }, records) = read_all(source).await?;
    Ok(Load { revision, epoch, records })
}

/// Reads everything at one revision on a thread and a connection for this alone, since whoever asked may take its time.
pub(super) async fn read_all<T: Send + 'static>(
    source: Source<T>,
) -> Result<(Position, BoxStream<'static, Result<Vec<T>, Error>>), Error> {
    let (started, start) = oneshot::channel();
    let (parts, received) = channel::channel(4);
    thread::Builder::new()
        .name("sqlite-load".into())
        .spawn(move || {
            let mut started = Some(started);
            let opened = Database::open(&source.path, source.busy);
            let opened = opened.and_then(|database| database.check_version().map(|()| database));
            let result = opened.and_then(|mut database| {
                send_all(&mut database.connection, &source, &mut started, &parts)
                    .map_err(|error| convert::error(&source.path, &error))
            });
            match (result, started) {
                (Err(error), Some(started)) => drop(started.send(Err(error))),
                (Err(error), None) => drop(parts.blocking_send(Err(error))),
                (Ok(()), _) => {}
            }
        })
        .map_err(|error| Error::Unavailable(format!("no thread to load with: {error}")))?;
    let position = start.await.unwrap_or_else(|_| Err(feed::closed()))?;
    let rows = futures::stream::unfold(received, |mut received| async { Some((received.recv().await?, received)) });
    Ok((position, rows.boxed()))
}

type Start = oneshot::Sender<Result<Position, Error>>;

fn send_all<T>(
    connection: &mut Connection,
    source: &Source<T>,
    started: &mut Option<Start>,
    parts: &channel::Sender<Result<Vec<T>, Error>>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let position = position(&transaction)?;
    if let Some(started) = started.take() {
        let _ = started.send(Ok(position));
    }
    let mut interner = Interner::default();
    let mut statement = transaction.prepare(source.sql)?;
    let mut part = Vec::with_capacity(LOAD_PART);
    for row in statement.query_map([], |row| (source.read)(&mut interner, row))? {
        part.push(row?);
        if part.len() == LOAD_PART && parts.blocking_send(Ok(std::mem::take(&mut part))).is_err() {
            return Ok(());
        }
    }
    let _ = parts.blocking_send(Ok(part));
    Ok(())
}

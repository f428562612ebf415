//! The store of many servers: one Postgres database (or one that speaks its protocol).
//!
//! Each process gathers its writes into transactions that hold the lock of the single `revision` row until they commit, so
//! that revision order is commit order whoever writes. A process hands its own batches straight to its followers and learns
//! of others' by NOTIFY, by the gap its next batch shows, by any consistent read, and where there is no NOTIFY by asking.

mod batch;
mod dump;
mod listener;
mod load;
mod outage;
mod pool;
mod position;
mod queue;
mod reader;
mod schema;
mod session;
mod upkeep;
mod writer;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::BoxStream;
use sampan_meta::Clock;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::feed::{self, Feed};
use crate::pending::{Gate, Pending};
use crate::{Batch, Durability, Error, Key, Load, Page, Record, Revision, Store, Write};
use outage::Outage;
use position::Known;
use reader::Reader;
use writer::{Control, Writer};

/// How the Postgres store works.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Tells what has expired.
    pub clock: Arc<dyn Clock>,
    /// How long relaxed writes wait for others to join their transaction.
    pub gather: Duration,
    /// How long a call goes on trying while the database does not answer; shorter once one has tried for so long in vain.
    pub patience: Duration,
}

impl PostgresOptions {
    /// The defaults: 5 ms to gather, 5 s of patience.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        PostgresOptions { clock, gather: Duration::from_millis(5), patience: Duration::from_secs(5) }
    }
}

/// See the module.
pub struct PostgresStore {
    writes: mpsc::UnboundedSender<Pending>,
    control: mpsc::UnboundedSender<Control>,
    gate: Gate,
    reader: Arc<Reader>,
    listener: AbortHandle,
}

/// What all parts of one store share.
struct Shared {
    connect: PgConnectOptions,
    options: PostgresOptions,
    known: Known,
    outage: Outage,
    feed: Feed,
    control: mpsc::UnboundedSender<Control>,
}

impl Shared {
    /// What nobody writes through.
    fn new(connect: PgConnectOptions, options: PostgresOptions) -> Arc<Self> {
        Arc::new(Shared::of(connect, options))
    }

    fn of(connect: PgConnectOptions, options: PostgresOptions) -> Self {
        Shared {
            connect,
            options,
            known: Known::default(),
            outage: Outage::default(),
            feed: Feed::new(),
            control: mpsc::unbounded_channel().0,
        }
    }

    /// How long a call may go on trying now.
    fn patience(&self) -> Duration {
        self.outage.patience(self.options.patience)
    }
}

impl PostgresStore {
    /// Connects to a database by its URL and brings its tables to the newest version.
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self, Error> {
        let connect = parse(url)?;
        let (control, controls) = mpsc::unbounded_channel();
        let (writes, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { control: control.clone(), ..Shared::of(connect, options) });
        schema::prepare(&shared).await?;
        let reader = Arc::new(Reader::new(shared.clone()));
        let writer = Writer::new(shared.clone(), reader.clone(), waiting, controls).await?;
        tokio::spawn(writer.run());
        let listener = tokio::spawn(listener::run(shared, reader.clone())).abort_handle();
        Ok(PostgresStore { writes, control, gate: Gate::new(), reader, listener })
    }

    async fn ask<T>(&self, control: impl FnOnce(oneshot::Sender<T>) -> Control) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.control.send(control(reply)).map_err(|_| feed::closed())?;
        answer.await.map_err(|_| feed::closed())
    }
}

fn parse(url: &str) -> Result<PgConnectOptions, Error> {
    let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let options = PgConnectOptions::from_str(url).ok().filter(|_| is_postgres);
    // The URL is not repeated: it may hold a password.
    let wrong = || Error::Unusable("the database URL is not of the form postgres://user@host/database".into());
    Ok(options.ok_or_else(wrong)?.application_name("sampan"))
}

impl Store for PostgresStore {
    fn write(&self, key: Key, write: Write, durability: Durability) -> BoxFuture<'_, Result<Revision, Error>> {
        let send = |pending| self.writes.send(pending).is_ok();
        self.gate.submit(key, write, durability, send).boxed()
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, Error>> {
        self.reader.get(key).boxed()
    }

    fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: Option<&'a str>,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        self.reader.list(resource, namespace, after, limit).boxed()
    }

    fn load(&self) -> BoxFuture<'_, Result<Load, Error>> {
        load::load(self.reader.shared().clone()).boxed()
    }

    fn current(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        async { Ok(self.reader.position().await?.revision) }.boxed()
    }

    fn changes(&self, after: Revision) -> BoxStream<'static, Result<Batch, Error>> {
        self.reader.shared().feed.follow(after, self.reader.clone())
    }

    fn compacted(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        async { Ok(self.reader.position().await?.compacted) }.boxed()
    }

    fn compact(&self, to: Revision) -> BoxFuture<'_, Result<Revision, Error>> {
        upkeep::compact(&self.reader, to).boxed()
    }

    fn epoch(&self) -> BoxFuture<'_, Result<u64, Error>> {
        async { Ok(self.reader.position().await?.epoch) }.boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.listener.abort();
            // An error means that it was closed before.
            let _ = self.ask(Control::Close).await;
            self.reader.close();
        }
        .boxed()
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.listener.abort();
        let (reply, _) = oneshot::channel();
        let _ = self.control.send(Control::Close(reply));
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connect = &self.reader.shared().connect;
        f.debug_struct("PostgresStore")
            .field("host", &connect.get_host())
            .field("database", &connect.get_database())
            .finish()
    }
}

//! A few connections for reads, lent one at a time.
//!
//! sqlx's own pool pings a connection when it comes back and waits for the answer without end: one whose peer vanished without a word
//! (a firewall that forgot it, an address that moved) is kept until TCP gives up, a quarter of an hour, and so, one after the other, are
//! all the rest. Here whoever loses patience drops the connection with its query, and what has lain idle is asked before it is trusted.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::session;

/// The most at once: the watch cache answers most reads, so that few come here.
const CONNECTIONS: usize = 4;

/// A connection that was silent for longer is asked whether it still hears.
const SILENCE: Duration = Duration::from_secs(10);

/// How long it may take to say so.
const PING: Duration = Duration::from_secs(1);

pub(super) struct Pool {
    connect: PgConnectOptions,
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(connect: PgConnectOptions) -> Self {
        Pool { connect, permits: Semaphore::new(CONNECTIONS), idle: Mutex::default() }
    }

    /// A connection, for as long as its borrower holds it; one that is not given back is closed.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, sqlx::Error> {
        let permit = self.permits.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let connection = match self.idle().await {
            Some(connection) => connection,
            None => session::connect(&self.connect).await?,
        };
        Ok(Lent { pool: self, connection, _permit: permit })
    }

    async fn idle(&self) -> Option<PgConnection> {
        loop {
            let Idle { mut connection, since } = self.idle.lock().pop()?;
            if answers(&mut connection, since).await {
                return Some(connection);
            }
        }
    }

    /// Drops what lies idle: somebody waited for an answer in vain, and what silenced one connection may have silenced all.
    pub(super) fn forget(&self) {
        self.idle.lock().clear();
    }

    pub(super) fn close(&self) {
        self.permits.close();
        self.forget();
    }
}

/// Whether a connection that was last heard at `since` can be trusted to hear.
pub(super) async fn answers(connection: &mut PgConnection, since: Instant) -> bool {
    since.elapsed() < SILENCE || matches!(timeout(PING, connection.ping()).await, Ok(Ok(())))
}

/// A borrowed connection.
pub(super) struct Lent<'a> {
    pool: &'a Pool,
    connection: PgConnection,
    _permit: SemaphorePermit<'a>,
}

impl Lent<'_> {
    /// After a whole answer: it can be lent again.
    pub(super) fn give_back(self) {
        let Lent { pool, connection, .. } = self;
        if !pool.permits.is_closed() {
            pool.idle.lock().push(Idle { connection, since: Instant::now() });
        }
    }
}

impl Deref for Lent<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

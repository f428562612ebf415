//! Reading everything at one revision.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgRow};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Shared;
use super::position::Position;
use super::reader::record;
use super::session::{self, Retry, answer};
use crate::{Error, Load};

/// Objects handed over at a time.
const PART: usize = 256;

type Part<T> = Result<Vec<T>, Error>;

/// What a row is read as.
type Read<T> = fn(&PgRow) -> Result<T, sqlx::Error>;

pub(super) async fn load(shared: Arc<Shared>) -> Result<Load, Error> {
    const ALL: &str =
        "SELECT resource, namespace, name, rev, create_rev, data FROM object ORDER BY resource, namespace, name";
    let (position, records) = read_all(&shared, ALL, record).await?;
    Ok(Load { revision: position.revision, epoch: position.epoch, records })
}

/// Reads all rows of a statement in one transaction, on a connection for this alone.
pub(super) async fn read_all<T: Send + Unpin + 'static>(
    shared: &Arc<Shared>,
    sql: &'static str,
    read: Read<T>,
) -> Result<(Position, BoxStream<'static, Part<T>>), Error> {
    let mut retry = Retry::new(shared.patience());
    let (position, rows) = loop {
        let failure = match begin(shared, &retry, sql, read).await {
            Ok(started) => break started,
            Err(failure) => failure,
        };
        retry.after(failure).await?;
    };
    let rows = stream::unfold(rows, |mut rows| async { Some((rows.recv().await?, rows)) });
    Ok((position, rows.boxed()))
}

async fn begin<T: Send + Unpin + 'static>(
    shared: &Arc<Shared>,
    retry: &Retry,
    sql: &'static str,
    read: Read<T>,
) -> Result<(Position, mpsc::Receiver<Part<T>>), Error> {
    let before = shared.known.revision();
    let connection = session::open(&shared.connect, retry.remaining()).await?;
    let (started, start) = oneshot::channel();
    let (parts, rows) = mpsc::channel(4);
    let limit = shared.options.patience;
    tokio::spawn(async move {
        let reading = Reading { connection, limit, sql, read };
        if let Err(failure) = reading.send_all(started, &parts).await {
            let _ = parts.send(Err(session::error(&failure))).await;
        }
    });
    let Ok(Ok(position)) = timeout(retry.remaining(), start).await else {
        return Err(Error::Unavailable("the database failed while it was read".into()));
    };
    match shared.notice(before, position) {
        Err(error) if error.retryable() => Err(error),
        _ => Ok((position, rows)),
    }
}

struct Reading<T> {
    connection: PgConnection,
    /// How long the database may take for each answer.
    limit: Duration,
    sql: &'static str,
    read: Read<T>,
}

impl<T: Send + Unpin> Reading<T> {
    async fn send_all(
        self,
        started: oneshot::Sender<Position>,
        parts: &mpsc::Sender<Part<T>>,
    ) -> Result<(), sqlx::Error> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        const POSITION: &str = "SELECT rev AS current, compacted, epoch FROM revision WHERE one = 1";
        let Reading { mut connection, limit, sql, read } = self;
        answer(limit, sqlx::raw_sql(BEGIN).execute(&mut connection)).await?;
        let position = Position::read(&answer(limit, sqlx::query(POSITION).fetch_one(&mut connection)).await?)?;
        if started.send(position).is_err() {
            return Ok(());
        }
        let mut found = sqlx::query(sql).try_map(|row| read(&row)).fetch(&mut connection).try_chunks(PART);
        let mut next = async || found.next().await.transpose().map_err(|stream::TryChunksError(_, failure)| failure);
        while let Some(part) = answer(limit, next()).await? {
            if parts.send(Ok(part)).await.is_err() {
                return Ok(());
            }
        }
        drop(found);
        answer(limit, connection.close()).await
    }
}

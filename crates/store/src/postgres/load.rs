//! Reading everything at one revision.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::position::Position;
use super::reader::record;
use super::session::{self, Retry};
use crate::{Error, Load, Record};

/// Records handed over at a time.
const PART: usize = 256;

type Part = Result<Vec<Record>, Error>;

/// Reads in one transaction on a connection for this alone.
pub(super) async fn load(shared: Arc<Shared>) -> Result<Load, Error> {
    let mut retry = Retry::new(shared.patience());
    let (position, records) = loop {
        let failure = match begin(&shared, &retry).await {
            Ok(started) => break started,
            Err(failure) => failure,
        };
        retry.after(failure).await?;
    };
    let records = stream::unfold(records, |mut records| async { Some((records.recv().await?, records)) });
    Ok(Load { revision: position.revision, epoch: position.epoch, records: records.boxed() })
}

async fn begin(shared: &Arc<Shared>, retry: &Retry) -> Result<(Position, mpsc::Receiver<Part>), Error> {
    let before = shared.known.revision();
    let connection = session::open(&shared.connect, retry.remaining()).await?;
    let (started, start) = oneshot::channel();
    let (parts, records) = mpsc::channel(4);
    tokio::spawn(async move {
        if let Err(failure) = send_all(connection, started, &parts).await {
            let _ = parts.send(Err(session::error(&failure))).await;
        }
    });
    let Ok(position) = start.await else {
        return Err(Error::Unavailable("the database failed while it was read".into()));
    };
    match shared.notice(before, position) {
        Err(error) if error.retryable() => Err(error),
        _ => Ok((position, records)),
    }
}

async fn send_all(
    mut connection: PgConnection,
    started: oneshot::Sender<Position>,
    parts: &mpsc::Sender<Part>,
) -> Result<(), sqlx::Error> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    const POSITION: &str = "SELECT rev AS current, compacted, epoch FROM revision WHERE one = 1";
    const ALL: &str =
        "SELECT resource, namespace, name, rev, create_rev, data FROM object ORDER BY resource, namespace, name";
    sqlx::raw_sql(BEGIN).execute(&mut connection).await?;
    let position = Position::read(&sqlx::query(POSITION).fetch_one(&mut connection).await?)?;
    if started.send(position).is_err() {
        return Ok(());
    }
    let mut found = sqlx::query(ALL).try_map(|row| record(&row)).fetch(&mut connection).try_chunks(PART);
    while let Some(part) = found.next().await {
        let part = part.map_err(|stream::TryChunksError(_, failure)| failure)?;
        if parts.send(Ok(part)).await.is_err() {
            return Ok(());
        }
    }
    drop(found);
    connection.close().await
}

//! Reads, through a small pool.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Shared;
use super::pool::Pool;
use super::position::{Position, number, to_sql};
use super::session::{self, Retry};
use crate::feed::{LOG_READ_LIMIT, Log, Tail};
use crate::{Change, Error, Key, Op, Page, Record, Revision};

pub(super) struct Reader {
    shared: Arc<Shared>,
    pool: Pool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let pool = Pool::new(shared.connect.clone());
        Reader { shared, pool }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }

    /// Asks until there is an answer, or no patience left.
    pub(super) async fn retry<T, F>(&self, query: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        self.retry_for(self.shared.patience(), query).await
    }

    async fn retry_for<T, F>(&self, patience: Duration, query: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let result = self.attempts(patience, query).await;
        self.shared.outage.observe(&result);
        result
    }

    async fn attempts<T, F>(&self, patience: Duration, query: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let mut retry = Retry::new(patience);
        loop {
            let failure = match tokio::time::timeout(retry.remaining(), query()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failure)) => session::error(&failure),
                Err(_) => {
                    self.pool.forget();
                    Error::Unavailable("the database did not answer in time".into())
                }
            };
            retry.after(failure).await?;
        }
    }

    /// Where the database is, with all patience: for who keeps nobody waiting, and may find that an outage has ended.
    pub(super) async fn probe(&self) -> Result<Position, Error> {
        self.position_within(self.shared.options.patience).await
    }

    pub(super) async fn position(&self) -> Result<Position, Error> {
        self.position_within(self.shared.patience()).await
    }

    async fn position_within(&self, patience: Duration) -> Result<Position, Error> {
        const POSITION: &str = "SELECT rev AS current, compacted, epoch FROM revision WHERE one = 1";
        let before = self.shared.known.revision();
        let query = || async {
            let mut lent = self.pool.lend().await?;
            let row = sqlx::query(POSITION).fetch_one(&mut *lent).await?;
            lent.give_back();
            Position::read(&row)
        };
        let position = self.retry_for(patience, query).await?;
        match self.shared.notice(before, position) {
            Err(error) if error.retryable() => Err(error),
            _ => Ok(position),
        }
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Record>, Error> {
        const GET: &str = "SELECT resource, namespace, name, rev, create_rev, data FROM object
                           WHERE resource = $1 AND namespace = $2 AND name = $3";
        let Key { resource, namespace, name } = key;
        let query = || async {
            let mut lent = self.pool.lend().await?;
            let query = sqlx::query(GET).bind(&**resource).bind(&**namespace).bind(&**name);
            let row = query.fetch_optional(&mut *lent).await?;
            lent.give_back();
            row.map(|row| record(&row)).transpose()
        };
        self.retry(query).await
    }

    pub(super) async fn list(
        &self,
        resource: &str,
        namespace: Option<&str>,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Page, Error> {
        // One statement, one view; the outer join gives the revision even of an empty page.
        const LIST: &str = "SELECT r.rev AS current, r.compacted, r.epoch, o.* FROM revision AS r LEFT JOIN (
              SELECT resource, namespace, name, rev, create_rev, data FROM object
              WHERE resource = $1 AND ($2::text IS NULL OR namespace = $2) AND (namespace, name) > ($3, $4)
              ORDER BY namespace, name LIMIT $5
            ) AS o ON true WHERE r.one = 1 ORDER BY o.namespace, o.name";
        let first = (namespace.unwrap_or_default(), "");
        let start = after.unwrap_or(first).max(first);
        let take = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let query = || async {
            let mut lent = self.pool.lend().await?;
            let query = sqlx::query(LIST).bind(resource).bind(namespace).bind(start.0).bind(start.1).bind(take);
            let rows = query.fetch_all(&mut *lent).await?;
            lent.give_back();
            Ok(rows)
        };
        let (position, mut records) = with_position(&self.retry(query).await?, record)?;
        let more = records.len() > limit;
        records.truncate(limit);
        Ok(Page { revision: position.revision, records, more })
    }

    async fn tail(&self, after: Revision) -> Result<Tail, Error> {
        const TAIL: &str = "SELECT r.rev AS current, r.compacted, r.epoch, e.* FROM revision AS r LEFT JOIN (
              SELECT resource, namespace, name, rev, create_rev, data, op FROM event
              WHERE rev > $1 ORDER BY rev LIMIT $2
            ) AS e ON true WHERE r.one = 1 ORDER BY e.rev";
        let before = self.shared.known.revision();
        let limit = i64::try_from(LOG_READ_LIMIT).unwrap_or(i64::MAX);
        let query = || async {
            let mut lent = self.pool.lend().await?;
            let rows = sqlx::query(TAIL).bind(to_sql(after.0)).bind(limit).fetch_all(&mut *lent).await?;
            lent.give_back();
            Ok(rows)
        };
        let (position, changes) = with_position(&self.retry(query).await?, change)?;
        self.shared.notice(before, position)?;
        let Position { revision, compacted, .. } = position;
        if after < compacted || after > revision {
            return Err(Error::Compacted { requested: after, oldest: compacted });
        }
        Ok(Tail::new(changes, revision))
    }
}

impl Log for Reader {
    fn read(&self, after: Revision) -> BoxFuture<'_, Result<Tail, Error>> {
        self.tail(after).boxed()
    }
}

/// The rows of a statement that joins the position to what it reads, of which there may be nothing.
fn with_position<T>(
    rows: &[PgRow],
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<(Position, Vec<T>), Error> {
    let parse = || {
        let position = Position::read(rows.first().ok_or(sqlx::Error::RowNotFound)?)?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            if row.try_get::<Option<i64>, _>("rev")?.is_some() {
                found.push(read(row)?);
            }
        }
        Ok((position, found))
    };
    parse().map_err(|failure: sqlx::Error| session::error(&failure))
}

pub(super) fn record(row: &PgRow) -> Result<Record, sqlx::Error> {
    let text = |column: &str| row.try_get::<&str, _>(column);
    let key = Key::new(text("resource")?, text("namespace")?, text("name")?);
    let data = row.try_get::<Vec<u8>, _>("data")?.into();
    let create_revision = Revision(number(row, "create_rev")?);
    Ok(Record { key, revision: Revision(number(row, "rev")?), create_revision, data })
}

fn change(row: &PgRow) -> Result<Change, sqlx::Error> {
    let Record { key, revision, create_revision, data } = record(row)?;
    let op = match row.try_get::<i16, _>("op")? {
        1 => Op::Create,
        2 => Op::Update,
        3 => Op::Delete,
        other => return Err(sqlx::Error::Decode(format!("operation {other}").into())),
    };
    Ok(Change { revision, create_revision, key, op, data })
}

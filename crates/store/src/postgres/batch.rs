//! One batch of writes in one transaction under the lock of the revision row.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};
use tokio::time::Instant;

use super::position::{Position, number, to_sql};
use crate::pending::Request;
use crate::{Batch, Change, Durability, Error, Key, Op, Revision, Write};

/// A connection that writes, with the number by which the log knows it.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) number: i64,
    /// Whether the database knows NOTIFY.
    pub(super) notify: bool,
    /// When the database last answered.
    pub(super) heard: Instant,
}

/// What became of a batch.
#[derive(Clone)]
pub(super) struct Outcome {
    /// The store's revision before.
    pub(super) previous: Revision,
    pub(super) batch: Batch,
    /// An answer for each request, in their order.
    pub(super) answers: Vec<Result<Revision, Error>>,
}

impl Session {
    /// Gives a connection its number and skips revisions that lost relaxed writes may have had (`skip`).
    pub(super) async fn begin(mut connection: PgConnection, skip: u64) -> Result<Self, sqlx::Error> {
        const BEGIN: &str =
            "UPDATE revision SET sessions = sessions + 1, rev = CASE WHEN rev > 0 THEN rev + $1 ELSE rev END
                             WHERE one = 1 RETURNING sessions, rev";
        let notify = sqlx::raw_sql("SELECT pg_notify('sampan_revision', '0')").execute(&mut connection).await;
        let notify = match notify {
            Ok(_) => true,
            Err(sqlx::Error::Database(_)) => false,
            Err(failure) => return Err(failure),
        };
        let row = sqlx::query(BEGIN).bind(to_sql(skip)).fetch_one(&mut connection).await?;
        let mut session = Session { connection, number: row.try_get("sessions")?, notify, heard: Instant::now() };
        if skip > 0 {
            session.announce(Revision(number(&row, "rev")?)).await?;
        }
        Ok(session)
    }

    /// Opens a transaction that alone may write, and reads where the store is.
    pub(super) async fn lock(&mut self, durability: Durability) -> Result<Position, sqlx::Error> {
        // The statements of a batch see what was committed before the lock was had, which needs this isolation level.
        const DURABLE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
                               SELECT rev AS current, compacted, epoch FROM revision WHERE one = 1 FOR UPDATE";
        const RELAXED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off;
                               SELECT rev AS current, compacted, epoch FROM revision WHERE one = 1 FOR UPDATE";
        let sql = if durability == Durability::Durable { DURABLE } else { RELAXED };
        Position::read(&sqlx::raw_sql(sql).fetch_one(&mut self.connection).await?)
    }

    /// Does the requests, at most one for each key. The transaction stays open.
    pub(super) async fn write(&mut self, requests: &[&Request], previous: Revision) -> Result<Outcome, sqlx::Error> {
        let rows = self.run(requests, previous).await?;
        let mut changes = Vec::with_capacity(rows.len());
        let mut done = vec![None; requests.len()];
        for row in rows {
            let revision = Revision(number(&row, "rev")?);
            let place = usize::try_from(revision.0 - previous.0 - 1).unwrap_or(usize::MAX);
            let request = requests.get(place).ok_or(sqlx::Error::RowNotFound)?;
            changes.push(change(request, revision, &row)?);
            done[place] = Some(revision);
        }
        let refused = requests.iter().zip(&done).filter(|(_, done)| done.is_none()).map(|(request, _)| *request);
        let mut refusals = self.refuse(refused.collect()).await?;
        let answers = requests.iter().zip(done).map(|(request, done)| match done {
            Some(revision) => Ok(revision),
            None => Err(refusals.remove(&request.key).unwrap_or_else(|| Error::NotFound(request.key.clone()))),
        });
        let answers = answers.collect();
        let revision = changes.last().map_or(previous, |last: &Change| last.revision);
        Ok(Outcome { previous, batch: Batch { revision, changes }, answers })
    }

    async fn run(&mut self, requests: &[&Request], previous: Revision) -> Result<Vec<PgRow>, sqlx::Error> {
        const WRITE: &str = include_str!("../../../../migrations/postgres/write_batch.sql");
        let column = |part: fn(&Key) -> &str| requests.iter().map(|request| part(&request.key)).collect::<Vec<_>>();
        let mut ops = Vec::with_capacity(requests.len());
        let mut expects = Vec::with_capacity(requests.len());
        let mut expiries = Vec::with_capacity(requests.len());
        let mut datas: Vec<&[u8]> = Vec::with_capacity(requests.len());
        for request in requests {
            let (op, expect, data): (i16, _, &[u8]) = match &request.write {
                Write::Create { data, .. } => (1, Revision(0), data),
                Write::Update { expect, data, .. } => (2, *expect, data),
                Write::Delete { expect } => (3, *expect, &[]),
            };
            ops.push(op);
            expects.push(to_sql(expect.0));
            expiries.push(request.write.expires());
            datas.push(data);
        }
        sqlx::query(WRITE)
            .bind(column(|key| &key.resource))
            .bind(column(|key| &key.namespace))
            .bind(column(|key| &key.name))
            .bind(ops)
            .bind(expects)
            .bind(expiries)
            .bind(datas)
            .bind(to_sql(previous.0))
            .bind(self.number)
            .fetch_all(&mut self.connection)
            .await
    }

    /// Why writes that changed nothing did not.
    async fn refuse(&mut self, refused: Vec<&Request>) -> Result<HashMap<Key, Error>, sqlx::Error> {
        const AT: &str = "SELECT rev FROM object WHERE resource = $1 AND namespace = $2 AND name = $3";
        let mut errors = HashMap::new();
        for request in refused {
            let key = request.key.clone();
            let query = sqlx::query(AT).bind(&*key.resource).bind(&*key.namespace).bind(&*key.name);
            let row = query.fetch_optional(&mut self.connection).await?;
            let current = row.map(|row| number(&row, "rev").map(Revision)).transpose()?;
            let error = match (&request.write, current) {
                (Write::Create { .. }, _) => Error::Exists(key.clone()),
                (_, None) => Error::NotFound(key.clone()),
                (_, Some(_)) => Error::Conflict { key: key.clone(), current },
            };
            errors.insert(key, error);
        }
        Ok(errors)
    }

    /// Ends the transaction with the store at a revision, and tells other processes.
    pub(super) async fn commit(&mut self, revision: Revision) -> Result<(), sqlx::Error> {
        let notify =
            if self.notify { format!("SELECT pg_notify('sampan_revision', '{revision}');") } else { String::new() };
        // One round trip; the only variable is a number.
        let sql = format!("UPDATE revision SET rev = {revision} WHERE one = 1; {notify} COMMIT");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await?;
        self.heard = Instant::now();
        Ok(())
    }

    pub(super) async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await?;
        self.heard = Instant::now();
        Ok(())
    }

    /// Whether a session committed a revision. Asked under the lock: its transaction has ended by then, one way or the other.
    pub(super) async fn has_committed(&mut self, session: i64, revision: Revision) -> Result<bool, sqlx::Error> {
        const COMMITTED: &str = "SELECT 1 FROM event WHERE rev = $1 AND session = $2";
        let query = sqlx::query(COMMITTED).bind(to_sql(revision.0)).bind(session);
        Ok(query.fetch_optional(&mut self.connection).await?.is_some())
    }

    /// In an open transaction: begins a new history at a revision, and ends the transaction.
    pub(super) async fn new_epoch(&mut self, at: Revision) -> Result<(), sqlx::Error> {
        const NEW: &str = "UPDATE revision SET epoch = epoch + 1, compacted = $1 WHERE one = 1";
        sqlx::query(NEW).bind(to_sql(at.0)).execute(&mut self.connection).await?;
        self.commit(at).await
    }

    async fn announce(&mut self, revision: Revision) -> Result<(), sqlx::Error> {
        if !self.notify {
            return Ok(());
        }
        let query = sqlx::query("SELECT pg_notify('sampan_revision', $1)").bind(revision.to_string());
        query.execute(&mut self.connection).await.map(drop)
    }

    pub(super) async fn close(self) {
        let _ = self.connection.close().await;
    }
}

fn change(request: &Request, revision: Revision, row: &PgRow) -> Result<Change, sqlx::Error> {
    let (op, data): (Op, Bytes) = match &request.write {
        Write::Create { data, .. } => (Op::Create, data.clone()),
        Write::Update { data, .. } => (Op::Update, data.clone()),
        Write::Delete { .. } => (Op::Delete, row.try_get::<Vec<u8>, _>("last")?.into()),
    };
    let create_revision = Revision(number(row, "create_rev")?);
    Ok(Change { revision, create_revision, key: request.key.clone(), op, data })
}

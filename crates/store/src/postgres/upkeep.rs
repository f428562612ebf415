//! Cutting the log and finding what has expired.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::position::{number, to_sql};
use super::reader::Reader;
use crate::pending::{BATCH_WRITES, Request};
use crate::{Error, Key, Revision, Write};

/// Revisions whose changes are removed in one transaction.
const CUT: i64 = 1000;

/// Moves the point below which the log is forgotten, then removes what lies below.
pub(super) async fn compact(reader: &Reader, to: Revision) -> Result<Revision, Error> {
    const MOVE: &str =
        "UPDATE revision SET compacted = GREATEST(compacted, LEAST($1, rev)) WHERE one = 1 RETURNING compacted";
    let move_point = || async {
        let mut lent = reader.pool().lend().await?;
        let row = sqlx::query(MOVE).bind(to_sql(to.0)).fetch_one(&mut *lent).await?;
        lent.give_back();
        number(&row, "compacted")
    };
    let compacted = reader.retry(move_point).await?;
    while reader.retry(|| cut(reader, compacted)).await? {}
    Ok(Revision(compacted))
}

/// Removes the oldest forgotten changes; returns whether there were any.
async fn cut(reader: &Reader, compacted: u64) -> Result<bool, sqlx::Error> {
    const OLDEST: &str = "SELECT min(rev) FROM event WHERE rev <= $1";
    const DELETE: &str = "DELETE FROM event WHERE rev < $1 AND rev <= $2";
    let compacted = to_sql(compacted);
    let mut lent = reader.pool().lend().await?;
    let oldest: Option<i64> = sqlx::query(OLDEST).bind(compacted).fetch_one(&mut *lent).await?.try_get(0)?;
    if let Some(oldest) = oldest {
        sqlx::query(DELETE).bind(oldest + CUT).bind(compacted).execute(&mut *lent).await?;
    }
    lent.give_back();
    Ok(oldest.is_some())
}

/// When the next object expires, in seconds since 1970.
pub(super) async fn next_expiry(reader: &Reader) -> Result<Option<i64>, Error> {
    const NEXT: &str = "SELECT min(expires) FROM object WHERE expires IS NOT NULL";
    let query = || async {
        let mut lent = reader.pool().lend().await?;
        let row = sqlx::query(NEXT).fetch_one(&mut *lent).await?;
        lent.give_back();
        row.try_get(0)
    };
    reader.retry(query).await
}

/// Deletions of some objects that have expired.
pub(super) async fn expired(reader: &Reader, now: i64) -> Result<Vec<Request>, Error> {
    const EXPIRED: &str =
        "SELECT resource, namespace, name, rev FROM object WHERE expires <= $1 ORDER BY expires LIMIT $2";
    let limit = i64::try_from(BATCH_WRITES).unwrap_or(i64::MAX);
    let query = || async {
        let mut lent = reader.pool().lend().await?;
        let rows = sqlx::query(EXPIRED).bind(now).bind(limit).fetch_all(&mut *lent).await?;
        lent.give_back();
        rows.iter().map(deletion).collect()
    };
    reader.retry(query).await
}

fn deletion(row: &PgRow) -> Result<Request, sqlx::Error> {
    let text = |column: &str| row.try_get::<&str, _>(column);
    let key = Key::new(text("resource")?, text("namespace")?, text("name")?);
    Ok(Request { key, write: Write::Delete { expect: Revision(number(row, "rev")?) } })
}

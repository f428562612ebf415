//! What the writer does beside writes: cutting the log, finding what has expired, leaving in good order.

use rusqlite::{Connection, params};

use super::convert::{Interner, revision, to_sql};
use super::reader::{self, Position};
use crate::pending::{BATCH_WRITES, Request};
use crate::{Revision, Write};

/// Changes removed in one transaction, so that no write waits long behind it.
const CUT: i64 = 500;

/// Moves the point below which the log is forgotten; what lies below is removed by [`cut`].
pub(super) fn compact(connection: &Connection, to: Revision) -> rusqlite::Result<Revision> {
    let sql = "UPDATE revision SET compacted = max(compacted, min(?1, rev)) WHERE one = 1";
    connection.execute(sql, [to_sql(to)])?;
    Ok(reader::position(connection)?.compacted)
}

/// Removes some forgotten changes. Returns whether there may be more.
pub(super) fn cut(connection: &Connection) -> rusqlite::Result<bool> {
    const SQL: &str = "DELETE FROM event WHERE rev IN (SELECT rev FROM event WHERE rev <= ?1 ORDER BY rev LIMIT ?2)";
    let Position { compacted, .. } = reader::position(connection)?;
    let removed = connection.prepare_cached(SQL)?.execute(params![to_sql(compacted), CUT])?;
    Ok(i64::try_from(removed).is_ok_and(|removed| removed == CUT))
}

/// When the next object expires, in seconds since 1970.
pub(super) fn next_expiry(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT min(expires) FROM object WHERE expires IS NOT NULL", [], |row| row.get(0))
}

/// Deletions of some objects that have expired.
pub(super) fn expired(connection: &Connection, now: i64) -> rusqlite::Result<Vec<Request>> {
    const SQL: &str = "SELECT resource, namespace, name, rev FROM object WHERE expires <= ?1 ORDER BY expires LIMIT ?2";
    let mut statement = connection.prepare_cached(SQL)?;
    let mut interner = Interner::default();
    let limit = i64::try_from(BATCH_WRITES).unwrap_or(i64::MAX);
    let rows = statement.query_map([now, limit], |row| {
        Ok(Request { key: interner.key(row, 0)?, write: Write::Delete { expect: revision(row, 3)? } })
    })?;
    rows.collect()
}

/// Leaves a file that says so and needs no recovery.
pub(super) fn end_session(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA synchronous = FULL; UPDATE revision SET clean = 1 WHERE one = 1; PRAGMA wal_checkpoint(TRUNCATE);",
    )
}

//! A file read beside the process that uses it, and a file made of a dump.

use std::path::{Path, PathBuf};

use futures::StreamExt;
use rusqlite::{Connection, Row, params};

use super::convert::{self, Interner, to_sql};
use super::reader::{self, Source};
use super::{Database, LockFile, SqliteOptions, SqliteStore, database, upkeep};
use crate::dump::{self, Dump, Kept};
use crate::{Error, Record};

const ALL: &str = "SELECT resource, namespace, name, rev, create_rev, data, expires FROM object
                   ORDER BY resource, namespace, name";

impl SqliteStore {
    /// Reads everything in a file at one revision, whether or not a server uses it: neither waits for the other.
    ///
    /// # Errors
    /// When the file is not there, cannot be read, or was made by a newer program.
    pub async fn dump(path: &Path, options: &SqliteOptions) -> Result<Dump, Error> {
        let source = Source { path: path.to_owned(), busy: options.busy, sql: ALL, read: kept };
        let (position, objects) = reader::read_all(source).await?;
        Ok(Dump { revision: position.revision, epoch: position.epoch, objects })
    }

    /// Makes a file that holds what a dump holds, at its revision, and nothing of what led there.
    ///
    /// # Errors
    /// When there is such a file already, it cannot be written, or the dump fails; then no file is left.
    pub async fn restore(path: &Path, dump: Dump, options: &SqliteOptions) -> Result<(), Error> {
        if path.exists() {
            return Err(Error::Unusable(format!("{} is there already", path.display())));
        }
        let made = fill(path, dump, options).await;
        if made.is_err() {
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(beside(path, suffix));
            }
        }
        made
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

async fn fill(path: &Path, mut dump: Dump, options: &SqliteOptions) -> Result<(), Error> {
    let _lock = LockFile::take(path, options.busy)?;
    let (database, _) = Database::create(path, options.busy)?;
    let connection = database.connection;
    let failed = |error: rusqlite::Error| convert::error(path, &error);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    while let Some(part) = dump.objects.next().await {
        let part = part?;
        part.iter().try_for_each(|kept| dump::check(kept, dump.revision))?;
        insert(&connection, &part).map_err(failed)?;
    }
    let end = |connection: &Connection| {
        const PLACE: &str = "UPDATE revision SET rev = ?1, compacted = ?1, epoch = ?2 WHERE one = 1";
        let epoch = i64::try_from(dump.epoch).unwrap_or(i64::MAX);
        connection.execute(PLACE, params![to_sql(dump.revision), epoch])?;
        connection.execute_batch("COMMIT")?;
        upkeep::end_session(connection)
    };
    end(&connection).map_err(failed)?;
    database::sync_directory(path).map_err(|error| Error::Unavailable(format!("{}: {error}", path.display())))
}

fn insert(connection: &Connection, part: &[Kept]) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT INTO object (resource, namespace, name, rev, create_rev, expires, data)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut statement = connection.prepare_cached(SQL)?;
    for Kept { record, expires } in part {
        let Record { key, revision, create_revision, data } = record;
        let (rev, create_rev) = (to_sql(*revision), to_sql(*create_revision));
        statement.execute(params![key.resource, key.namespace, key.name, rev, create_rev, expires, &data[..]])?;
    }
    Ok(())
}

fn kept(interner: &mut Interner, row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept { record: interner.record(row)?, expires: row.get(6)? })
}

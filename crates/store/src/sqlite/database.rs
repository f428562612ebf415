//! The file: who may open it, how it is made, migrated and recognised.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::convert::{self, to_sql};
use super::reader::{self, Position};
use crate::{Error, Revision};

const MIGRATIONS: &[&str] = &[include_str!("../../../../migrations/sqlite/0001_initial.sql")];

/// What the revision skips after a crash. Relaxed writes that a power cut took back may have been seen by clients: their
/// numbers must not be used again, and there are never more of them than this (see the writer).
pub(super) const SKIP: u64 = 10_000;

/// Says that this process alone uses the database. The kernel lets go of it when the process ends, however it ends.
pub(super) struct LockFile {
    _file: File,
}

impl LockFile {
    pub(super) fn take(database: &Path, patience: Duration) -> Result<Self, Error> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |error| Error::Unavailable(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(LockFile { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    let path = database.display();
                    return Err(Error::Unavailable(format!(
                        "{path} is in use by another process, stop that one first"
                    )));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}

/// A connection to a file that was that file when it was opened.
pub(super) struct Database {
    pub(super) connection: Connection,
    path: PathBuf,
    identity: (u64, u64),
}

impl Database {
    /// Opens the file for writing, making and migrating it where needed. Returns the revision to go on from.
    pub(super) fn create(path: &Path, busy: Duration) -> Result<(Self, Revision), Error> {
        make_file(path).map_err(|error| Error::Unavailable(format!("{}: {error}", path.display())))?;
        let database = Database::open(path, busy)?;
        let start = || -> rusqlite::Result<Result<Revision, Error>> {
            let connection = &database.connection;
            let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
            if mode != "wal" {
                return Ok(Err(Error::Unusable(format!("{} cannot have a write-ahead log", path.display()))));
            }
            if let Err(error) = migrate(connection, path)? {
                return Ok(Err(error));
            }
            begin_session(connection).map(Ok)
        };
        let revision = start().map_err(|error| convert::error(path, &error))??;
        Ok((database, revision))
    }

    /// Opens a file that must exist: never a new, empty one in the place of one that was lost.
    pub(super) fn open(path: &Path, busy: Duration) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(busy)?;
            connection.set_prepared_statement_cache_capacity(32);
            connection.execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;
                 PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 16777216; PRAGMA wal_autocheckpoint = 2000;",
            )?;
            Ok(connection)
        };
        let connection = connect().map_err(|error| convert::error(path, &error))?;
        let identity = identity(path)?;
        Ok(Database { connection, path: path.to_owned(), identity })
    }

    /// Fails when the file has been removed or replaced: SQLite would go on writing to one that nobody can find any more.
    pub(super) fn check_in_place(&self) -> Result<(), Error> {
        if identity(&self.path)? == self.identity {
            return Ok(());
        }
        Err(Error::Unavailable(format!("{} was replaced while in use", self.path.display())))
    }

    /// Refuses to read what a newer program made.
    pub(super) fn check_version(&self) -> Result<(), Error> {
        let version: rusqlite::Result<u32> = self.connection.query_row("PRAGMA user_version", [], |row| row.get(0));
        match version.map_err(|error| convert::error(&self.path, &error))? {
            version if version as usize > MIGRATIONS.len() => Err(newer(&self.path, version)),
            _ => Ok(()),
        }
    }

    pub(super) fn is_same_file(&self, identity: (u64, u64)) -> bool {
        self.identity == identity
    }

    pub(super) fn identity(&self) -> (u64, u64) {
        self.identity
    }
}

fn identity(path: &Path) -> Result<(u64, u64), Error> {
    let metadata = fs::metadata(path)
        .map_err(|error| Error::Unavailable(format!("{} is missing, put it back ({error})", path.display())))?;
    Ok((metadata.dev(), metadata.ino()))
}

/// SQLite gives its other files the permissions of this one.
fn make_file(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    sync_directory(path)
}

/// Sees to it that the file's name outlives a power cut.
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(directory)?.sync_all()
}

/// Brings the schema to the newest version, all steps or none.
fn migrate(connection: &Connection, path: &Path) -> rusqlite::Result<Result<(), Error>> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let Some(missing) = MIGRATIONS.get(version as usize..) else {
        return Ok(Err(newer(path, version)));
    };
    if missing.is_empty() {
        return Ok(Ok(()));
    }
    let script =
        format!("BEGIN IMMEDIATE;\n{}\nPRAGMA user_version = {};\nCOMMIT;", missing.join("\n"), MIGRATIONS.len());
    connection.execute_batch(&script).map(Ok)
}

fn newer(path: &Path, version: u32) -> Error {
    let (path, known) = (path.display(), MIGRATIONS.len());
    Error::Unusable(format!("{path} has schema version {version}, this program knows {known}: use a newer one"))
}

/// Takes notice of how the last process ended, and marks that one is at work.
fn begin_session(connection: &Connection) -> rusqlite::Result<Revision> {
    let crashed: bool =
        connection.query_row("SELECT clean = 0 AND rev > 0 FROM revision WHERE one = 1", [], |row| row.get(0))?;
    let skip = if crashed { SKIP } else { 0 };
    connection.execute("UPDATE revision SET rev = rev + ?1, clean = 0 WHERE one = 1", [to_sql(Revision(skip))])?;
    Ok(reader::position(connection)?.revision)
}

/// Starts a new history at `at`, because the file is not the one that was lost: nobody's revisions mean anything in it.
pub(super) fn new_epoch(connection: &Connection, at: Revision) -> rusqlite::Result<Revision> {
    let Position { revision, .. } = reader::position(connection)?;
    let at = Revision(at.max(revision).0 + SKIP);
    connection.execute(
        "UPDATE revision SET epoch = epoch + 1, rev = ?1, compacted = ?1, clean = 0 WHERE one = 1",
        [to_sql(at)],
    )?;
    Ok(at)
}

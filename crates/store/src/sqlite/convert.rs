//! Between rows and what they mean, and between SQLite's errors and ours.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{ErrorCode, Row};

use crate::{Change, Error, Key, Op, Record, Revision};

/// SQLite's integers are signed; no counter comes near their end.
pub(super) fn to_sql(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

pub(super) fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map(Revision).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// Lets rows share the strings they repeat.
#[derive(Default)]
pub(super) struct Interner {
    known: HashSet<Arc<str>>,
}

impl Interner {
    fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.known.insert(new.clone());
        new
    }

    /// The key in three columns from `first` on.
    pub(super) fn key(&mut self, row: &Row<'_>, first: usize) -> rusqlite::Result<Key> {
        let text = |column: usize| {
            let value = row.get_ref(column)?;
            let wrong =
                |error: FromSqlError| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into());
            value.as_str().map_err(wrong)
        };
        let (resource, namespace) = (self.intern(text(first)?), self.intern(text(first + 1)?));
        Ok(Key { resource, namespace, name: text(first + 2)?.into() })
    }

    /// A row of resource, namespace, name, rev, create_rev, data.
    pub(super) fn record(&mut self, row: &Row<'_>) -> rusqlite::Result<Record> {
        let key = self.key(row, 0)?;
        let data = row.get::<_, Vec<u8>>(5)?.into();
        Ok(Record { key, revision: revision(row, 3)?, create_revision: revision(row, 4)?, data })
    }

    /// A row of resource, namespace, name, rev, create_rev, data, op.
    pub(super) fn change(&mut self, row: &Row<'_>) -> rusqlite::Result<Change> {
        let Record { key, revision, create_revision, data } = self.record(row)?;
        let op = op_of(row.get(6)?).ok_or_else(|| rusqlite::Error::IntegralValueOutOfRange(6, 0))?;
        Ok(Change { revision, create_revision, key, op, data })
    }
}

pub(super) fn op_number(op: Op) -> i64 {
    match op {
        Op::Create => 1,
        Op::Update => 2,
        Op::Delete => 3,
    }
}

fn op_of(number: i64) -> Option<Op> {
    match number {
        1 => Some(Op::Create),
        2 => Some(Op::Update),
        3 => Some(Op::Delete),
        _ => None,
    }
}

/// What an error of SQLite means to those who call the store.
pub(super) fn error(path: &Path, error: &rusqlite::Error) -> Error {
    let path = path.display();
    let unavailable = |what: &str| Error::Unavailable(format!("{path}: {what} ({error})"));
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            unavailable("locked by another program, which has to let go")
        }
        Some(ErrorCode::DiskFull) => unavailable("no space left, free some on this file system"),
        Some(ErrorCode::CannotOpen) => unavailable("cannot be opened, check that it is there and its permissions"),
        Some(ErrorCode::ReadOnly) => unavailable("cannot be written, check its permissions and the file system"),
        Some(ErrorCode::SystemIoFailure) => unavailable("the disk failed"),
        Some(ErrorCode::DatabaseCorrupt) => Error::Corrupt(format!("{path}: restore it from a backup ({error})")),
        Some(ErrorCode::NotADatabase) => Error::Corrupt(format!("{path} is not a SQLite database ({error})")),
        Some(_) => unavailable("failed"),
        None => Error::Corrupt(format!("{path} holds what was not written by this program ({error})")),
    }
}

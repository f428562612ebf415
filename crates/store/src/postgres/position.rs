//! Where the database is, and whether that can be.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Shared;
use super::writer::Control;
use crate::{Error, Revision};

/// The row of `revision`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) revision: Revision,
    pub(super) compacted: Revision,
    pub(super) epoch: u64,
}

impl Position {
    /// From the columns `current`, `compacted` and `epoch` of a row.
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let revision = number(row, "current").map(Revision)?;
        let compacted = number(row, "compacted").map(Revision)?;
        Ok(Position { revision, compacted, epoch: number(row, "epoch")? })
    }
}

/// A counter: bigint in the database, never negative.
pub(super) fn number(row: &PgRow, column: &str) -> Result<u64, sqlx::Error> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Counters stay far below the end of the signed numbers that SQL has.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The furthest this process has seen the database.
#[derive(Default)]
pub(super) struct Known {
    revision: AtomicU64,
    epoch: AtomicU64,
}

impl Known {
    pub(super) fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::SeqCst))
    }

    pub(super) fn advance(&self, revision: Revision) {
        self.revision.fetch_max(revision.0, Ordering::SeqCst);
    }
}

impl Shared {
    /// Compares what was read with what was known before the read. An error sends the reader to load anew.
    ///
    /// A database that is behind what was seen lost commits: it failed over to a lagging standby, was restored, or lost
    /// relaxed writes in a power cut. Its numbers would be given out again, so the writer is told to begin a new history.
    pub(super) fn notice(&self, before: Revision, position: Position) -> Result<(), Error> {
        let Position { revision, compacted, epoch } = position;
        let known = self.known.epoch.swap(epoch, Ordering::SeqCst);
        if known != epoch && known != 0 {
            self.known.revision.store(revision.0, Ordering::SeqCst);
            self.feed.reset(compacted);
            return Err(Error::Compacted { requested: before, oldest: compacted });
        }
        if revision < before {
            // Fails only when the writer has ended with the store.
            let _ = self.control.send(Control::Repair);
            return Err(Error::Unavailable(format!(
                "the database is at {revision}, behind {before} which was seen before"
            )));
        }
        self.known.advance(revision);
        if revision > before {
            self.feed.hint(revision);
        }
        Ok(())
    }
}

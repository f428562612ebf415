//! Whole stores, read beside whoever uses them and written into empty ones: what backups and moves between databases are made of.

use futures::stream::BoxStream;

use crate::{Error, Record, Revision};

/// One object as it lies in the store: sealed, if it is sealed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The object and its revisions.
    pub record: Record,
    /// Seconds since 1970 after which the store deletes it by itself.
    pub expires: Option<i64>,
}

/// Every object of a store, all of them read at one revision. What happened before is not in it: a store that is made of it sends
/// followers of an earlier revision to load anew.
pub struct Dump {
    /// The revision it was read at; no object's is greater.
    pub revision: Revision,
    /// The number of the history.
    pub epoch: u64,
    /// All objects in key order, in parts.
    pub objects: BoxStream<'static, Result<Vec<Kept>, Error>>,
}

/// Refuses an object that cannot be of the dump it came with, before it does harm.
pub(crate) fn check(kept: &Kept, revision: Revision) -> Result<(), Error> {
    let Record { key, revision: own, create_revision, .. } = &kept.record;
    match create_revision <= own && *own <= revision && create_revision.0 > 0 {
        true => Ok(()),
        false => Err(Error::Corrupt(format!(
            "{key} was made at {create_revision} and is at {own}, in a dump taken at {revision}"
        ))),
    }
}

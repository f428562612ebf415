//! Why the store refused or failed.

use crate::{Key, Revision};

/// A write or read that did not succeed, by what the caller can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object is at another revision than the write expected: read it again.
    #[error("{key} was changed by somebody else")]
    Conflict {
        /// The object.
        key: Key,
        /// Where the object is now, where the store knows it.
        current: Option<Revision>,
    },
    /// A create found the object there.
    #[error("{0} exists already")]
    Exists(Key),
    /// An update or delete found nothing.
    #[error("{0} does not exist")]
    NotFound(Key),
    /// The changes asked for are no longer in the log: read everything anew.
    #[error("revision {requested} is older than {oldest}, the oldest in the change log")]
    Compacted {
        /// The revision asked for.
        requested: Revision,
        /// The smallest revision after which changes are known.
        oldest: Revision,
    },
    /// The object is greater than `MAX_OBJECT_SIZE`.
    #[error("{key} has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// The object.
        key: Key,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The key has a NUL character or more than a kilobyte: not every store could keep it.
    #[error("{0:?} cannot be a key: it is too long or has a NUL character")]
    BadKey(Key),
    /// The store does not answer now: locked, full, restarting, unreachable. It recovers by itself; try again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// This program must not touch the store as it is: a newer one made it, or it belongs to something else.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
    /// What the store holds cannot be read: an operator has to restore it.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

impl Error {
    /// Whether the same call can succeed later without anybody's doing.
    pub fn retryable(&self) -> bool {
        matches!(self, Error::Unavailable(_))
    }
}

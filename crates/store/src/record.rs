//! What is written, what is kept and what is told to followers.

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{Error, Key, Revision, seal};

/// The largest object in bytes, as etcd's default request limit which Kubernetes users know.
pub const MAX_OBJECT_SIZE: usize = 1_572_864;

/// One object as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub key: Key,
    /// The write that made this state.
    pub revision: Revision,
    /// The write that created the object.
    pub create_revision: Revision,
    /// The object's bytes, which the store never looks into.
    pub data: Bytes,
}

/// One change to one object, conditional on the state its author saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Makes the object; fails with `Exists` when there is one.
    Create {
        /// The new bytes.
        data: Bytes,
        /// Seconds since 1970 after which the store deletes the object by itself.
        expires: Option<i64>,
    },
    /// Replaces the object; fails with `Conflict` or `NotFound` unless it is at `expect`.
    Update {
        /// The revision the author read.
        expect: Revision,
        /// The new bytes.
        data: Bytes,
        /// Seconds since 1970 after which the store deletes the object by itself; `None` forgets an earlier expiry.
        expires: Option<i64>,
    },
    /// Removes the object; fails with `Conflict` or `NotFound` unless it is at `expect`.
    Delete {
        /// The revision the author read.
        expect: Revision,
    },
}

impl Write {
    pub(crate) fn expires(&self) -> Option<i64> {
        match self {
            Write::Create { expires, .. } | Write::Update { expires, .. } => *expires,
            Write::Delete { .. } => None,
        }
    }

    /// The number of bytes the write carries, as its author counts: what sealing has added is not among them.
    pub fn size(&self) -> usize {
        match self {
            Write::Create { data, .. } | Write::Update { data, .. } => data.len() - seal::overhead(data),
            Write::Delete { .. } => 0,
        }
    }
}

/// What a positive answer to a write promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The write is on the disk: it survives a power cut.
    #[default]
    Durable,
    /// The write survives a crash of the process, not of the machine: for heartbeats and events, which cost no fsync.
    Relaxed,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// The object was not there before.
    Create,
    /// The object was there before.
    Update,
    /// The object is gone.
    Delete,
}

/// One committed write as followers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The write's revision.
    pub revision: Revision,
    /// The revision that created the object.
    pub create_revision: Revision,
    /// The object's place.
    pub key: Key,
    /// What happened.
    pub op: Op,
    /// The new state; of a deleted object the last one.
    pub data: Bytes,
}

/// Changes in commit order, and how far they reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Every change up to and including this revision has been told by now.
    pub revision: Revision,
    /// The changes, strictly increasing by revision; may be empty when only numbers were skipped.
    pub changes: Vec<Change>,
}

/// A part of a list, all of it read at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The revision of the whole store at which the page was read.
    pub revision: Revision,
    /// The objects in key order.
    pub records: Vec<Record>,
    /// Whether more objects follow the last one.
    pub more: bool,
}

/// The whole store at one revision.
pub struct Load {
    /// The revision at which everything was read.
    pub revision: Revision,
    /// The epoch at which everything was read.
    pub epoch: u64,
    /// All objects in key order, in parts.
    pub records: BoxStream<'static, Result<Vec<Record>, Error>>,
}

/// The longest key in bytes: what an index of any database takes.
const MAX_KEY_SIZE: usize = 1024;

/// Refuses what not every store could keep.
pub(crate) fn check(key: &Key, write: &Write) -> Result<(), Error> {
    let Key { resource, namespace, name } = key;
    let parts = [resource, namespace, name];
    if parts.iter().any(|part| part.contains('\0')) || parts.iter().map(|part| part.len()).sum::<usize>() > MAX_KEY_SIZE
    {
        return Err(Error::BadKey(key.clone()));
    }
    match write.size() {
        size if size > MAX_OBJECT_SIZE => Err(Error::TooLarge { key: key.clone(), size, limit: MAX_OBJECT_SIZE }),
        _ => Ok(()),
    }
}

/// What a write does to the object as it is: the change with `revision`, or the reason why not.
pub(crate) fn decide(existing: Option<&Record>, key: Key, write: Write, revision: Revision) -> Result<Change, Error> {
    match (write, existing) {
        (Write::Create { data, .. }, None) => {
            Ok(Change { revision, create_revision: revision, key, op: Op::Create, data })
        }
        (Write::Create { .. }, Some(_)) => Err(Error::Exists(key)),
        (Write::Update { .. } | Write::Delete { .. }, None) => Err(Error::NotFound(key)),
        (Write::Update { expect, .. } | Write::Delete { expect }, Some(found)) if found.revision != expect => {
            Err(Error::Conflict { key, current: Some(found.revision) })
        }
        (Write::Update { data, .. }, Some(found)) => {
            Ok(Change { revision, create_revision: found.create_revision, key, op: Op::Update, data })
        }
        (Write::Delete { .. }, Some(found)) => {
            let Record { create_revision, data, .. } = found.clone();
            Ok(Change { revision, create_revision, key, op: Op::Delete, data })
        }
    }
}

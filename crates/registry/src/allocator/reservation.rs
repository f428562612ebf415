//! What one request has set aside, to be kept or given back.

use std::sync::Arc;

use sampan_store::{Key, Revision, WatchCache};

use super::Pool;
use crate::object::Object;

/// The addresses and ports one write takes and leaves.
///
/// # Contract
/// Ends with [`Reservation::settle`]. Dropped without it (the client went away), what it took stays reserved until somebody wants it.
#[derive(Default)]
pub struct Reservation {
    cache: Option<Arc<WatchCache<Object>>>,
    rehearsal: bool,
    taken: Vec<(Key, Revision)>,
    left: Vec<(Key, Revision)>,
}

impl Reservation {
    /// Nothing is needed.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// In a rehearsal (dry run) nothing is written.
    pub(crate) fn new(cache: Arc<WatchCache<Object>>, rehearsal: bool) -> Self {
        Self { cache: Some(cache), rehearsal, ..Self::default() }
    }

    pub(crate) fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    pub(crate) fn took(&mut self, key: Key, revision: Revision) {
        self.taken.push((key, revision));
    }

    /// The object no longer needs this one once it is written.
    pub(crate) fn leave(&mut self, pool: Pool, value: &str) {
        let key = pool.key(value);
        let record = self.cache.as_ref().and_then(|cache| cache.get(&key));
        if let Some(record) = record {
            self.left.push((key, Revision(record.revision())));
        }
    }

    /// Gives back what was left if the object was written, what was taken if it was not.
    pub(crate) async fn settle(self, written: bool) {
        let Some(cache) = self.cache.filter(|_| !self.rehearsal) else { return };
        let records = if written { self.left } else { self.taken };
        if !records.is_empty() {
            super::release(cache, records).await;
        }
    }
}

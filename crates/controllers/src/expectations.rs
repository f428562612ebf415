//! Keeps a controller from acting on a cache that does not know its own last writes yet.
//!
//! Upstream counts expected events (`controller.ControllerExpectations`). Here a write's resource version is remembered, and the cache
//! is believed once it has seen that version: versions of one kind are comparable, and a count cannot go wrong.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use sampan_client::{Informer, Resource, Watched};
use tokio::time::Instant;

use crate::controller::Key;

/// After this long the cache is believed anyway, as upstream: what is missing then was lost, not late.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The writes of a controller to one kind that its cache may not show yet.
#[derive(Default)]
pub(crate) struct Expectations {
    pending: Mutex<HashMap<Key, Pending>>,
}

struct Pending {
    version: u64,
    /// Deleted objects by name, with their uid: a deletion's answer does not tell its version.
    deleted: Vec<(Key, String)>,
    since: Instant,
}

impl Expectations {
    /// Notes that an object came back from a write made for `key`.
    pub(crate) fn wrote<K: Resource>(&self, key: &Key, object: &K) {
        let version = object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0);
        self.note(key, |pending| pending.version = pending.version.max(version));
    }

    /// Notes that an object was deleted for `key`.
    pub(crate) fn deleted<K: Watched>(&self, key: &Key, object: &K) {
        let deleted = (name_of(object), object.meta().uid.clone().unwrap_or_default());
        self.note(key, |pending| pending.deleted.push(deleted));
    }

    fn note(&self, key: &Key, change: impl FnOnce(&mut Pending)) {
        let mut all = self.pending.lock();
        let fresh = || Pending { version: 0, deleted: Vec::new(), since: Instant::now() };
        let pending = all.entry(key.clone()).or_insert_with(fresh);
        pending.since = Instant::now();
        change(pending);
    }

    /// How long the cache may at most still lag behind the writes made for `key`; `None`: it knows them all. The changes that are
    /// awaited bring the key back by themselves; the time is for those that never come.
    pub(crate) fn outstanding<K: Watched>(&self, key: &Key, cache: &Informer<K>) -> Option<Duration> {
        let mut all = self.pending.lock();
        let pending = all.get_mut(key)?;
        pending.deleted.retain(|(name, uid)| is_alive(cache, name, uid));
        let left = PATIENCE.saturating_sub(pending.since.elapsed());
        if (cache.version() >= pending.version && pending.deleted.is_empty()) || left.is_zero() {
            all.remove(key);
            return None;
        }
        Some(left)
    }

    /// Forgets a key whose object is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.pending.lock().remove(key);
    }
}

fn name_of<K: Resource>(object: &K) -> Key {
    let meta = object.meta();
    Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// Whether the cache still shows an object as neither deleted nor about to be.
fn is_alive<K: Watched>(cache: &Informer<K>, name: &Key, uid: &str) -> bool {
    cache.get(name).is_some_and(|object| {
        let meta = object.meta();
        meta.uid.as_deref() == Some(uid) && meta.deletion_timestamp.is_none()
    })
}

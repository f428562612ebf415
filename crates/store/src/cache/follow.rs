//! The task that keeps the cache at the store's heels.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use super::coalesce::Coalesce;
use super::progress::Progress;
use super::resource::{Incoming, Resource};
use super::root::{Name, Root};
use super::{Decode, Expired, Options};
use crate::compaction::{Compactor, Marks};
use crate::{Batch, Change, Error, Op, Record, Revision, Store};

/// How long the follower waits before it asks a lost store again: from, to.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

pub(super) struct Shared<T> {
    pub(super) store: Arc<dyn Store>,
    pub(super) options: Options,
    pub(super) progress: Progress,
    pub(super) coalesce: Coalesce,
    /// The oldest state that is shown exactly, however quiet the resource.
    floor: AtomicU64,
    resources: RwLock<Resources<T>>,
    failure: Mutex<Option<Error>>,
}

struct Resources<T> {
    /// The revision of the last load: before it no resource has a history.
    start: Revision,
    by_name: BTreeMap<Arc<str>, Arc<Resource<T>>>,
}

type Roots<T> = BTreeMap<Arc<str>, Root<T>>;

impl<T: Decode> Shared<T> {
    pub(super) async fn load(store: Arc<dyn Store>, options: Options) -> Result<Arc<Self>, Error> {
        let (start, roots) = load::<T>(&*store).await?;
        let by_name = roots.into_iter().map(|(name, root)| (name, Arc::new(Resource::new(root, start)))).collect();
        let progress = Progress::default();
        progress.publish(start);
        Ok(Arc::new(Shared {
            store,
            options,
            progress,
            coalesce: Coalesce::default(),
            floor: AtomicU64::default(),
            resources: RwLock::new(Resources { start, by_name }),
            failure: Mutex::new(None),
        }))
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<Resource<T>>> {
        self.resources.read().by_name.get(name).cloned()
    }

    /// The resource of this name, which may as yet have no object.
    pub(super) fn resource(&self, name: &str) -> Arc<Resource<T>> {
        if let Some(found) = self.find(name) {
            return found;
        }
        let mut resources = self.resources.write();
        let start = resources.start;
        let new = || Arc::new(Resource::new(Root::default(), start));
        resources.by_name.entry(name.into()).or_insert_with(new).clone()
    }

    fn apply(&self, batch: Batch) {
        let Batch { revision, changes } = batch;
        // Ordered, so that watchers of several resources wake in the same order each time.
        let mut by_resource: BTreeMap<Arc<str>, Vec<Incoming<T>>> = BTreeMap::new();
        for change in changes {
            by_resource.entry(change.key.resource.clone()).or_default().push(read(change));
        }
        for (name, incoming) in by_resource {
            self.resource(&name).apply(incoming, &self.options);
        }
        self.progress.publish(revision);
    }

    async fn reload(&self) -> Result<(), Error> {
        let (start, mut roots) = load::<T>(&*self.store).await?;
        let existing = {
            let mut resources = self.resources.write();
            resources.start = start;
            for name in roots.keys() {
                let new = || Arc::new(Resource::new(Root::default(), start));
                resources.by_name.entry(name.clone()).or_insert_with(new);
            }
            resources.by_name.clone()
        };
        for (name, resource) in existing {
            resource.reset(roots.remove(&name).unwrap_or_default(), start);
        }
        self.progress.publish(start);
        Ok(())
    }

    /// Refuses a state that is too old to be shown exactly.
    pub(super) fn check_age(&self, requested: Revision) -> Result<(), Expired> {
        let oldest = Revision(self.floor.load(Ordering::SeqCst));
        if requested < oldest { Err(Expired { requested, oldest }) } else { Ok(()) }
    }

    fn raise_floor(&self, to: Option<Revision>) {
        if let Some(Revision(to)) = to {
            self.floor.fetch_max(to, Ordering::SeqCst);
        }
    }

    fn trim(&self, now: Instant) {
        for resource in self.resources.read().by_name.values() {
            resource.trim(&self.options, now);
        }
    }

    pub(super) fn health(&self) -> Result<(), Error> {
        self.failure.lock().clone().map_or(Ok(()), Err)
    }

    fn set_health(&self, failure: Option<Error>) {
        let mut known = self.failure.lock();
        match (&*known, &failure) {
            (None, Some(error)) => tracing::warn!(%error, "the watch cache lost the store; it serves what it has"),
            (Some(_), None) => tracing::info!("the watch cache follows the store again"),
            _ => {}
        }
        *known = failure;
    }
}

impl<T> Shared<T> {
    pub(super) fn end_watchers(&self) {
        for resource in self.resources.read().by_name.values() {
            resource.end_watchers();
        }
    }
}

async fn load<T: Decode>(store: &dyn Store) -> Result<(Revision, Roots<T>), Error> {
    let mut load = store.load().await?;
    let mut roots: Roots<T> = BTreeMap::new();
    while let Some(records) = load.records.next().await {
        for record in records? {
            let root = roots.entry(record.key.resource.clone()).or_default();
            root.revision = root.revision.max(record.revision);
            if let Some(object) = decode(&record) {
                root.insert(Name { namespace: record.key.namespace, name: record.key.name }, object);
            }
        }
    }
    Ok((load.revision, roots))
}

fn decode<T: Decode>(record: &Record) -> Option<Arc<T>> {
    T::decode(record)
        .map(Arc::new)
        .map_err(|error| tracing::error!(key = %record.key, revision = %record.revision, error, "unreadable object left out"))
        .ok()
}

fn read<T: Decode>(change: Change) -> Incoming<T> {
    let Change { revision, create_revision, key, op, data } = change;
    let record = Record { key, revision, create_revision, data };
    Incoming { object: decode(&record), deleted: op == Op::Delete, record }
}

/// Follows until the task is aborted. Timers run only while the store is lost.
pub(super) async fn run<T: Decode>(shared: Arc<Shared<T>>) {
    let mut compactor = Compactor::new(shared.store.clone(), shared.options.log_revisions, shared.options.log_age);
    let mut marks = Marks::new(shared.options.history_age);
    let mut backoff = BACKOFF.0;
    let mut must_load = false;
    loop {
        let failure = match must_load {
            true => shared.reload().await.err(),
            false => Some(follow(&shared, &mut compactor, &mut marks, &mut backoff).await),
        };
        must_load = match failure {
            None => {
                shared.set_health(None);
                false
            }
            Some(Error::Compacted { .. }) if !must_load => true,
            Some(error) => {
                shared.set_health(Some(error));
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF.1);
                must_load
            }
        };
    }
}

/// Applies changes until the store fails; returns why.
async fn follow<T: Decode>(
    shared: &Shared<T>,
    compactor: &mut Compactor,
    marks: &mut Marks,
    backoff: &mut Duration,
) -> Error {
    let mut changes = shared.store.changes(shared.progress.current());
    let mut trimmed = Instant::now();
    while let Some(batch) = changes.next().await {
        match batch {
            Ok(batch) => {
                shared.set_health(None);
                shared.apply(batch);
            }
            Err(error) => return error,
        }
        *backoff = BACKOFF.0;
        let now = Instant::now();
        let current = shared.progress.current();
        compactor.observe(now, current);
        shared.raise_floor(marks.observe(now, current));
        if now.duration_since(trimmed) > shared.options.history_age / 4 {
            shared.trim(now);
            trimmed = now;
        }
    }
    Error::Unavailable("the store was closed".into())
}

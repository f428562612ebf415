//! The store that forgets: for tests and the simulator, where threads and files would break determinism.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Weak};

use futures::future::{self, BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;
use sampan_meta::Clock;
use tokio::sync::Notify;

use crate::feed::{Feed, LOG_READ_LIMIT, Log, Tail};
use crate::{Batch, Change, Durability, Error, Key, Load, Op, Page, Record, Revision, Store, Write, expiry};

/// A store in memory; clones share it.
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    feed: Feed,
    clock: Arc<dyn Clock>,
    expiry_moved: Arc<Notify>,
}

#[derive(Default)]
struct State {
    revision: Revision,
    compacted: Revision,
    objects: BTreeMap<Key, Object>,
    log: VecDeque<Change>,
    expiries: BTreeSet<(i64, Key)>,
    sweeping: bool,
    closed: bool,
}

struct Object {
    record: Record,
    expires: Option<i64>,
}

impl MemoryStore {
    /// An empty store that takes the time for expiry from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner { state: Mutex::default(), feed: Feed::new(), clock, expiry_moved: Arc::default() };
        MemoryStore { inner: Arc::new(inner) }
    }

    fn write_now(&self, key: Key, write: Write) -> Result<Revision, Error> {
        crate::record::check(&key, &write)?;
        let expires = write.expires();
        let mut state = self.inner.state.lock();
        if state.closed {
            return Err(crate::feed::closed());
        }
        let revision = self.inner.commit(&mut state, key, write)?;
        if expires.is_some() {
            self.inner.expiry_moved.notify_one();
            if !std::mem::replace(&mut state.sweeping, true) {
                tokio::spawn(sweep(Arc::downgrade(&self.inner)));
            }
        }
        Ok(revision)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.expiry_moved.notify_one();
    }
}

impl Inner {
    fn commit(&self, state: &mut State, key: Key, write: Write) -> Result<Revision, Error> {
        let change = state.change(key, write)?;
        let previous = change.previous;
        let batch = Batch { revision: change.change.revision, changes: vec![change.change] };
        // Under the lock, so that followers hear of writes in their order.
        let revision = batch.revision;
        self.feed.committed(previous, batch);
        Ok(revision)
    }

    fn sweep(&self) -> Option<i64> {
        let mut state = self.state.lock();
        let now = self.clock.now().as_second();
        while let Some((expires, key)) = state.expiries.first().cloned() {
            if state.closed {
                return None;
            }
            if expires > now {
                return Some(expires - now);
            }
            state.expiries.pop_first();
            let Some(expect) = state.objects.get(&key).map(|object| object.record.revision) else { continue };
            if let Err(error) = self.commit(&mut state, key, Write::Delete { expect }) {
                tracing::warn!(%error, "expired object not deleted");
            }
        }
        None
    }
}

struct Committed {
    previous: Revision,
    change: Change,
}

impl State {
    fn change(&mut self, key: Key, write: Write) -> Result<Committed, Error> {
        let expires = write.expires();
        let previous = self.revision;
        let revision = Revision(previous.0 + 1);
        let existing = self.objects.get(&key).map(|object| &object.record);
        let change = crate::record::decide(existing, key, write, revision)?;
        self.revision = revision;
        self.store(&change, expires);
        self.log.push_back(change.clone());
        Ok(Committed { previous, change })
    }

    fn store(&mut self, change: &Change, expires: Option<i64>) {
        let Change { revision, create_revision, key, op, data } = change.clone();
        let old = match op {
            Op::Delete => self.objects.remove(&key),
            Op::Create | Op::Update => {
                if let Some(expires) = expires {
                    self.expiries.insert((expires, key.clone()));
                }
                let record = Record { key: key.clone(), revision, create_revision, data };
                self.objects.insert(key.clone(), Object { record, expires })
            }
        };
        if let Some(old) = old.and_then(|old| old.expires).filter(|old| op == Op::Delete || Some(*old) != expires) {
            self.expiries.remove(&(old, key));
        }
    }

    fn page(&self, resource: &str, namespace: Option<&str>, after: Option<(&str, &str)>, limit: usize) -> Page {
        let start = Key::new(resource, namespace.unwrap_or_default(), "");
        let after = after.map(|(namespace, name)| Key::new(resource, namespace, name));
        let start = after.filter(|after| *after >= start).map_or(Bound::Included(start), Bound::Excluded);
        let wanted =
            |key: &Key| *key.resource == *resource && namespace.is_none_or(|namespace| *key.namespace == *namespace);
        let mut found = self.objects.range((start, Bound::Unbounded)).take_while(|(key, _)| wanted(key));
        let records = found.by_ref().take(limit).map(|(_, object)| object.record.clone()).collect();
        Page { revision: self.revision, records, more: found.next().is_some() }
    }
}

/// Deletes what has expired, sleeping until the next expiry, or for ever when there is none.
async fn sweep(inner: Weak<Inner>) {
    loop {
        let Some(strong) = inner.upgrade() else { return };
        let next = strong.sweep();
        if next.is_none() {
            let mut state = strong.state.lock();
            if state.expiries.is_empty() || state.closed {
                state.sweeping = false;
                return;
            }
        }
        let moved = strong.expiry_moved.clone();
        drop(strong);
        // Either way there is something to look at.
        let _ = tokio::time::timeout(expiry::pause(next), moved.notified()).await;
    }
}

impl Log for Inner {
    fn read(&self, after: Revision) -> BoxFuture<'_, Result<Tail, Error>> {
        future::lazy(move |_| {
            let state = self.state.lock();
            if after < state.compacted || after > state.revision {
                return Err(Error::Compacted { requested: after, oldest: state.compacted });
            }
            let from = state.log.partition_point(|change| change.revision <= after);
            let changes = state.log.range(from..).take(LOG_READ_LIMIT).cloned().collect();
            Ok(Tail::new(changes, state.revision))
        })
        .boxed()
    }
}

impl Store for MemoryStore {
    fn write(&self, key: Key, write: Write, _durability: Durability) -> BoxFuture<'_, Result<Revision, Error>> {
        future::lazy(move |_| self.write_now(key, write)).boxed()
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, Error>> {
        future::lazy(|_| Ok(self.inner.state.lock().objects.get(key).map(|object| object.record.clone()))).boxed()
    }

    fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: Option<&'a str>,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        future::lazy(move |_| Ok(self.inner.state.lock().page(resource, namespace, after, limit))).boxed()
    }

    fn load(&self) -> BoxFuture<'_, Result<Load, Error>> {
        future::lazy(|_| {
            let state = self.inner.state.lock();
            let records = state.objects.values().map(|object| object.record.clone()).collect();
            let records = stream::once(future::ready(Ok(records))).boxed();
            Ok(Load { revision: state.revision, epoch: 1, records })
        })
        .boxed()
    }

    fn current(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        future::lazy(|_| Ok(self.inner.state.lock().revision)).boxed()
    }

    fn known_current(&self) -> Option<Revision> {
        Some(self.inner.state.lock().revision)
    }

    fn changes(&self, after: Revision) -> BoxStream<'static, Result<Batch, Error>> {
        self.inner.feed.follow(after, self.inner.clone())
    }

    fn compacted(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        future::lazy(|_| Ok(self.inner.state.lock().compacted)).boxed()
    }

    fn compact(&self, to: Revision) -> BoxFuture<'_, Result<Revision, Error>> {
        future::lazy(move |_| {
            let mut state = self.inner.state.lock();
            state.compacted = state.compacted.max(to.min(state.revision));
            let keep = state.log.partition_point(|change| change.revision <= state.compacted);
            state.log.drain(..keep);
            Ok(state.compacted)
        })
        .boxed()
    }

    fn epoch(&self) -> BoxFuture<'_, Result<u64, Error>> {
        future::ready(Ok(1)).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        future::lazy(|_| {
            self.inner.state.lock().closed = true;
            self.inner.feed.close();
            self.inner.expiry_moved.notify_one();
        })
        .boxed()
    }
}

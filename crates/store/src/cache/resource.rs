//! One resource in the cache: its objects, its history, its watchers.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::follow::Shared;
use super::history::{History, Rewind};
use super::mailbox::Mailbox;
use super::root::Root;
use super::watchers::Watchers;
use super::{At, Change, Decode, Expired, Options, Scope, Snapshot, WatchError, Watcher};
use crate::{Op, Record, Revision};

pub(super) struct Resource<T> {
    /// Replaced once per batch, so that readers see whole batches and never wait.
    root: ArcSwap<Root<T>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    history: History<T>,
    watchers: Watchers<T>,
}

/// A change whose object is read but whose place in the map is not yet known.
pub(super) struct Incoming<T> {
    pub(super) record: Record,
    pub(super) deleted: bool,
    /// `None` when the bytes cannot be read.
    pub(super) object: Option<Arc<T>>,
}

impl<T: Decode> Resource<T> {
    pub(super) fn new(root: Root<T>, start: Revision) -> Self {
        let state = State { history: History::new(start), watchers: Watchers::default() };
        Resource { root: ArcSwap::from_pointee(root), state: Mutex::new(state) }
    }

    pub(super) fn root(&self) -> arc_swap::Guard<Arc<Root<T>>> {
        self.root.load()
    }

    /// Starts over from a state that does not follow from the last one: every watcher has to list again.
    pub(super) fn reset(&self, root: Root<T>, start: Revision) {
        let mut state = self.state.lock();
        state.history = History::new(start);
        self.root.store(Arc::new(root));
        let expired = Expired { requested: start, oldest: start };
        for mailbox in state.watchers.drain() {
            mailbox.end(Some(WatchError::Expired(expired)));
        }
    }

    /// Shows a batch's changes, then tells the watchers.
    pub(super) fn apply(&self, incoming: Vec<Incoming<T>>, options: &Options) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let mut root = Root::clone(&self.root.load());
        let mut changes = Vec::with_capacity(incoming.len());
        for incoming in incoming {
            if let Some(change) = settle(incoming, &mut root) {
                state.history.push(change.clone(), &root, now);
                changes.push(change);
            }
        }
        self.root.store(Arc::new(root));
        for change in &changes {
            state.watchers.deliver(change);
        }
        state.history.trim(options, now);
    }

    pub(super) fn trim(&self, options: &Options, now: Instant) {
        self.state.lock().history.trim(options, now);
    }

    pub(super) fn snapshot(&self, at: &At, current: Revision) -> Result<Snapshot<T>, Expired> {
        match at {
            At::Latest => {
                // `current` was read before the root: all changes up to it are in, and none after the root's own.
                let root = Root::clone(&self.root.load());
                Ok(Snapshot { revision: current.max(root.revision), root })
            }
            At::Exact(revision) => self.exact(*revision),
        }
    }

    fn exact(&self, revision: Revision) -> Result<Snapshot<T>, Expired> {
        let Rewind { mut root, undone } = self.state.lock().history.rewind(revision, &self.root.load())?;
        for change in &undone {
            root.undo(change);
        }
        Ok(Snapshot { revision, root })
    }

    pub(super) fn watch(
        self: Arc<Self>,
        scope: Scope,
        after: Revision,
        shared: &Arc<Shared<T>>,
    ) -> Result<Watcher<T>, Expired> {
        // Under one lock, so that no change falls between what is past and what is to come.
        let mut state = self.state.lock();
        let missed = state.history.after(after)?.filter(|change| scope.covers(change)).cloned().collect();
        let mailbox = Arc::new(Mailbox::new(scope, after, missed, &shared.options));
        let id = state.watchers.add(mailbox.clone());
        drop(state);
        Ok(Watcher::new(id, mailbox, self, shared.clone()))
    }
}

impl<T> Resource<T> {
    pub(super) fn forget(&self, scope: &Scope, id: u64) {
        self.state.lock().watchers.remove(scope, id);
    }

    pub(super) fn end_watchers(&self) {
        for mailbox in self.state.lock().watchers.drain() {
            mailbox.end(None);
        }
    }
}

/// Applies one change to the map; what the cache showed before decides what it is to watchers.
fn settle<T: Decode>(incoming: Incoming<T>, root: &mut Root<T>) -> Option<Arc<Change<T>>> {
    let Incoming { record, deleted, object } = incoming;
    let previous = root.get(&record.key.namespace, &record.key.name).cloned();
    let (op, object) = match (object, &previous) {
        (Some(object), Some(_)) if deleted => (Op::Delete, object),
        (Some(object), Some(_)) => (Op::Update, object),
        (Some(object), None) if !deleted => (Op::Create, object),
        // What cannot be read any more is gone for watchers; the last readable state is all there is to show.
        (None, Some(previous)) => (Op::Delete, previous.clone()),
        (_, None) => {
            root.revision = record.revision;
            return None;
        }
    };
    let Record { key, revision, data, .. } = record;
    let change = Arc::new(Change { revision, op, key, previous, object, size: data.len() });
    root.apply(&change);
    Some(change)
}

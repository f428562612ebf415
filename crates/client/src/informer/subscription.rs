//! A subscriber's queue of changes: in order, bounded by the number of objects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_meta::NamespacedName;
use tokio::sync::Notify;

use super::Watched;

/// What happened to one object since the subscriber last looked.
#[derive(Debug)]
pub struct Change<K> {
    /// As it was; `None`: it is new. Of a deleted object: its last state.
    pub old: Option<Arc<K>>,
    /// As it is; `None`: it was deleted.
    pub new: Option<Arc<K>>,
}

impl<K> Change<K> {
    /// The state that says most: the new one, or the last one of a deleted object.
    ///
    /// # Panics
    /// Never: a change has at least one side.
    #[must_use]
    pub fn object(&self) -> &Arc<K> {
        self.new.as_ref().or(self.old.as_ref()).expect("a change has an old or a new state")
    }

    /// Both states that there are: for what depends on the old one as well (a pod that left a selector).
    pub fn states(&self) -> impl Iterator<Item = &Arc<K>> {
        self.old.iter().chain(self.new.iter())
    }
}

/// The changes of an informer as one reader sees them. A slow reader gets several updates of an object as one (the oldest state it has
/// not seen passed, the newest one); creation and deletion are never merged away, so every object that lived is heard of.
pub struct Subscription<K> {
    queue: Arc<Queue<K>>,
}

impl<K: Watched> Subscription<K> {
    pub(super) fn new(queue: Arc<Queue<K>>) -> Self {
        Self { queue }
    }

    /// The next change; waits for it. `None` once the informer is gone. May be dropped while waiting without losing a change.
    pub async fn next(&mut self) -> Option<Change<K>> {
        loop {
            let notified = self.queue.arrived.notified();
            {
                let mut pending = self.queue.pending.lock();
                if let Some(change) = pending.pop() {
                    return Some(change);
                }
                if pending.closed {
                    return None;
                }
            }
            notified.await;
        }
    }

    /// The next change if there is one already.
    pub fn try_next(&mut self) -> Option<Change<K>> {
        self.queue.pending.lock().pop()
    }
}

pub(super) struct Queue<K> {
    pending: Mutex<Pending<K>>,
    arrived: Notify,
}

struct Pending<K> {
    changes: VecDeque<(NamespacedName, Change<K>)>,
    /// Position, counted from the first change ever, of the last waiting change of each object.
    last: BTreeMap<NamespacedName, usize>,
    taken: usize,
    closed: bool,
}

impl<K: Watched> Queue<K> {
    pub(super) fn new() -> Self {
        let pending = Pending { changes: VecDeque::new(), last: BTreeMap::new(), taken: 0, closed: false };
        Self { pending: Mutex::new(pending), arrived: Notify::new() }
    }

    pub(super) fn push(&self, name: &NamespacedName, old: Option<Arc<K>>, new: Option<Arc<K>>) {
        self.pending.lock().push(name, Change { old, new });
        self.arrived.notify_one();
    }

    pub(super) fn close(&self) {
        self.pending.lock().closed = true;
        self.arrived.notify_one();
    }
}

impl<K: Watched> Pending<K> {
    fn push(&mut self, name: &NamespacedName, change: Change<K>) {
        if let Some(waiting) = self.last.get(name).map(|position| &mut self.changes[position - self.taken].1)
            && let (Some(known), Some(new)) = (&waiting.new, &change.new)
            && known.meta().uid == new.meta().uid
        {
            waiting.new = change.new;
            return;
        }
        self.last.insert(name.clone(), self.taken + self.changes.len());
        self.changes.push_back((name.clone(), change));
    }

    fn pop(&mut self) -> Option<Change<K>> {
        let (name, change) = self.changes.pop_front()?;
        if self.last.get(&name) == Some(&self.taken) {
            self.last.remove(&name);
        }
        self.taken += 1;
        Some(change)
    }
}

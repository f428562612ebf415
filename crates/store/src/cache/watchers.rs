//! Who watches one resource, found by what they watch.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::mailbox::{Delivery, Mailbox};
use super::{Change, Decode, Scope};

/// The one property by which a watcher is found: the most selective its scope has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Bucket {
    All,
    Namespace(Arc<str>),
    Name(Arc<str>),
    Index(Arc<str>),
}

impl Bucket {
    fn of(scope: &Scope) -> Self {
        match scope {
            Scope { name: Some(name), .. } => Bucket::Name(name.clone()),
            Scope { index: Some(index), .. } => Bucket::Index(index.clone()),
            Scope { namespace: Some(namespace), .. } => Bucket::Namespace(namespace.clone()),
            Scope { .. } => Bucket::All,
        }
    }
}

/// Watchers by bucket: a change looks into at most five of them, however many watchers there are.
pub(super) struct Watchers<T> {
    next: u64,
    buckets: HashMap<Bucket, BTreeMap<u64, Arc<Mailbox<T>>>>,
}

impl<T> Default for Watchers<T> {
    fn default() -> Self {
        Watchers { next: 0, buckets: HashMap::new() }
    }
}

impl<T: Decode> Watchers<T> {
    pub(super) fn add(&mut self, mailbox: Arc<Mailbox<T>>) -> u64 {
        self.next += 1;
        self.buckets.entry(Bucket::of(&mailbox.scope)).or_default().insert(self.next, mailbox);
        self.next
    }

    pub(super) fn deliver(&mut self, change: &Arc<Change<T>>) {
        self.deliver_to(&Bucket::All, change);
        self.deliver_to(&Bucket::Namespace(change.key.namespace.clone()), change);
        self.deliver_to(&Bucket::Name(change.key.name.clone()), change);
        let (old, new) = change.indexes();
        if let Some(new) = &new {
            self.deliver_to(&Bucket::Index(new.clone()), change);
        }
        if let Some(old) = old.filter(|old| new.as_ref() != Some(old)) {
            self.deliver_to(&Bucket::Index(old), change);
        }
    }

    fn deliver_to(&mut self, bucket: &Bucket, change: &Arc<Change<T>>) {
        let Some(mailboxes) = self.buckets.get_mut(bucket) else { return };
        mailboxes.retain(|_, mailbox| mailbox.deliver(change) == Delivery::Open);
        if mailboxes.is_empty() {
            self.buckets.remove(bucket);
        }
    }
}

impl<T> Watchers<T> {
    pub(super) fn remove(&mut self, scope: &Scope, id: u64) {
        let bucket = Bucket::of(scope);
        let Some(mailboxes) = self.buckets.get_mut(&bucket) else { return };
        mailboxes.remove(&id);
        if mailboxes.is_empty() {
            self.buckets.remove(&bucket);
        }
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Arc<Mailbox<T>>> {
        std::mem::take(&mut self.buckets).into_values().flat_map(BTreeMap::into_values)
    }
}

impl<T: Decode> Change<T> {
    /// The index before and after.
    pub(super) fn indexes(&self) -> (Option<Arc<str>>, Option<Arc<str>>) {
        (self.previous.as_ref().and_then(|previous| previous.index()), self.object.index())
    }
}

impl Scope {
    /// Whether a change lies in this scope, before or after.
    pub(super) fn covers<T: Decode>(&self, change: &Change<T>) -> bool {
        let Scope { namespace, name, index } = self;
        let within = |wanted: &Option<Arc<str>>, is: &Arc<str>| wanted.as_ref().is_none_or(|wanted| wanted == is);
        within(namespace, &change.key.namespace) && within(name, &change.key.name) && {
            index.is_none() || {
                let (old, new) = change.indexes();
                old == *index || new == *index
            }
        }
    }
}

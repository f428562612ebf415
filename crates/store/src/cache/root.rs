//! All objects of one resource at one moment.

use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use super::{Change, Decode};
use crate::{Op, Revision};

/// Orders objects within their resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
}

/// Orders objects by the value they are indexed by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Indexed {
    pub(super) index: Arc<str>,
    pub(super) name: Name,
}

/// Persistent maps: a clone is two pointers, and a change copies one path.
pub(super) struct Root<T> {
    /// The last change to the resource; 0 when there was none.
    pub(super) revision: Revision,
    pub(super) objects: RedBlackTreeMapSync<Name, Arc<T>>,
    pub(super) indexed: RedBlackTreeMapSync<Indexed, Arc<T>>,
}

impl<T> Clone for Root<T> {
    fn clone(&self) -> Self {
        Root { revision: self.revision, objects: self.objects.clone(), indexed: self.indexed.clone() }
    }
}

impl<T> Default for Root<T> {
    fn default() -> Self {
        Root {
            revision: Revision(0),
            objects: RedBlackTreeMapSync::new_sync(),
            indexed: RedBlackTreeMapSync::new_sync(),
        }
    }
}

impl<T: Decode> Root<T> {
    pub(super) fn get(&self, namespace: &Arc<str>, name: &Arc<str>) -> Option<&Arc<T>> {
        self.objects.get(&Name { namespace: namespace.clone(), name: name.clone() })
    }

    pub(super) fn insert(&mut self, name: Name, object: Arc<T>) {
        self.unindex(&name);
        if let Some(index) = object.index() {
            self.indexed.insert_mut(Indexed { index, name: name.clone() }, object.clone());
        }
        self.objects.insert_mut(name, object);
    }

    pub(super) fn remove(&mut self, name: &Name) {
        self.unindex(name);
        self.objects.remove_mut(name);
    }

    fn unindex(&mut self, name: &Name) {
        if let Some(index) = self.objects.get(name).and_then(|object| object.index()) {
            self.indexed.remove_mut(&Indexed { index, name: name.clone() });
        }
    }

    pub(super) fn apply(&mut self, change: &Change<T>) {
        debug_assert!(change.revision > self.revision, "changes come in order");
        self.revision = change.revision;
        let name = change.name();
        match change.op {
            Op::Create | Op::Update => self.insert(name, change.object.clone()),
            Op::Delete => self.remove(&name),
        }
    }

    /// Takes back the last change that was applied. The revision stays: it is the caller's to say.
    pub(super) fn undo(&mut self, change: &Change<T>) {
        match &change.previous {
            Some(previous) => self.insert(change.name(), previous.clone()),
            None => self.remove(&change.name()),
        }
    }
}

impl<T> Change<T> {
    pub(super) fn name(&self) -> Name {
        Name { namespace: self.key.namespace.clone(), name: self.key.name.clone() }
    }
}

//! A view of one resource that stays as it is.

use std::ops::Bound;
use std::sync::Arc;

use super::root::{Indexed, Name, Root};
use crate::Revision;

/// The objects of one resource at one revision, in key order.
pub struct Snapshot<T> {
    pub(super) revision: Revision,
    pub(super) root: Root<T>,
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Snapshot { revision: self.revision, root: self.root.clone() }
    }
}

impl<T> Snapshot<T> {
    /// The revision this view is exact for: a watch after it continues it without gap.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.root.objects.size()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.root.objects.is_empty()
    }

    /// One object.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<T>> {
        self.root.objects.get(&Name { namespace: namespace.into(), name: name.into() })
    }

    /// All objects.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.root.objects.values()
    }

    /// The objects of one namespace, or of all, that follow `after` (namespace, name).
    pub fn range<'a>(
        &'a self,
        namespace: Option<&'a str>,
        after: Option<(&str, &str)>,
    ) -> impl Iterator<Item = &'a Arc<T>> + 'a {
        let first = Name { namespace: namespace.unwrap_or_default().into(), name: "".into() };
        let after = after.map(|(namespace, name)| Name { namespace: namespace.into(), name: name.into() });
        let start = match after {
            Some(after) if after >= first => Bound::Excluded(after),
            _ => Bound::Included(first),
        };
        let objects = self.root.objects.range::<Name, _>((start, Bound::Unbounded));
        objects
            .take_while(move |(name, _)| namespace.is_none_or(|namespace| *name.namespace == *namespace))
            .map(|(_, object)| object)
    }

    /// The objects whose index is this value, in key order.
    pub fn indexed<'a>(&'a self, index: &'a str) -> impl Iterator<Item = &'a Arc<T>> + 'a {
        let first = Indexed { index: index.into(), name: Name { namespace: "".into(), name: "".into() } };
        let objects = self.root.indexed.range::<Indexed, _>((Bound::Included(first), Bound::Unbounded));
        objects.take_while(move |(indexed, _)| *indexed.index == *index).map(|(_, object)| object)
    }
}

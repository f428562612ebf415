//! What a store is, in as little code as possible.

use std::collections::BTreeMap;

use bytes::Bytes;
use sampan_store::{Change, Error, Key, Op, Record, Revision, Write};

/// The present, the past and where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) revision: Revision,
    pub(crate) compacted: Revision,
    pub(crate) objects: BTreeMap<Key, Record>,
    pub(crate) log: Vec<Change>,
}

impl Model {
    /// Does a write which is to have `revision` if it succeeds.
    pub(crate) fn write(&mut self, key: &Key, write: &Write, revision: Revision) -> Result<Revision, Error> {
        let found = self.objects.get(key).map(|record| record.revision);
        match (write, found) {
            (Write::Create { .. }, Some(_)) => return Err(Error::Exists(key.clone())),
            (Write::Update { .. } | Write::Delete { .. }, None) => return Err(Error::NotFound(key.clone())),
            (Write::Update { expect, .. } | Write::Delete { expect }, Some(current)) if *expect != current => {
                return Err(Error::Conflict { key: key.clone(), current: Some(current) });
            }
            _ => {}
        }
        self.revision = revision;
        match write {
            Write::Create { data, .. } => self.put(Op::Create, key, revision, data),
            Write::Update { data, .. } => self.put(Op::Update, key, self.objects[key].create_revision, data),
            Write::Delete { .. } => {
                let Record { create_revision, data, .. } = self.objects.remove(key).unwrap();
                self.log.push(Change { revision, create_revision, key: key.clone(), op: Op::Delete, data });
            }
        }
        Ok(revision)
    }

    fn put(&mut self, op: Op, key: &Key, create_revision: Revision, data: &Bytes) {
        let (revision, key, data) = (self.revision, key.clone(), data.clone());
        let record = Record { key: key.clone(), revision, create_revision, data: data.clone() };
        self.objects.insert(key.clone(), record);
        self.log.push(Change { revision, create_revision, key, op, data });
    }

    pub(crate) fn list(&self, resource: &str, namespace: Option<&str>, after: Option<(&str, &str)>) -> Vec<Record> {
        let wanted = |key: &&Key| {
            *key.resource == *resource
                && namespace.is_none_or(|namespace| *key.namespace == *namespace)
                && after.is_none_or(|after| (&*key.namespace, &*key.name) > after)
        };
        self.objects.keys().filter(wanted).map(|key| self.objects[key].clone()).collect()
    }

    pub(crate) fn changes(&self, after: Revision) -> Result<Vec<Change>, Error> {
        if after < self.compacted || after > self.revision {
            return Err(Error::Compacted { requested: after, oldest: self.compacted });
        }
        Ok(self.log.iter().filter(|change| change.revision > after).cloned().collect())
    }

    pub(crate) fn compact(&mut self, to: Revision) -> Revision {
        self.compacted = self.compacted.max(to.min(self.revision));
        self.compacted
    }
}

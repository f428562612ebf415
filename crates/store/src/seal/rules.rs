//! Which key seals what.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::SealKey;
use super::key::Sealed;
use crate::{Error, Key, Record};

/// Some resources, by what a store's keys call them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resources {
    /// One: `/secrets`, `apps/deployments`.
    One(String),
    /// All of a group; the core group is the empty string.
    Group(String),
    /// All.
    All,
}

impl Resources {
    fn cover(&self, resource: &str) -> bool {
        match self {
            Self::One(own) => own == resource,
            Self::Group(group) => resource.split_once('/').is_some_and(|(own, _)| own == group),
            Self::All => true,
        }
    }
}

/// One way to keep an object.
#[derive(Clone, Debug)]
pub enum Provider {
    /// Sealed.
    Key(Arc<SealKey>),
    /// As it is.
    Identity,
}

/// How some resources are kept.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which.
    pub resources: Vec<Resources>,
    /// The first one is used for writing. The others are there for what was written before.
    pub providers: Vec<Provider>,
}

/// All rules; the first that covers a resource holds for it, and what none covers is kept as it is.
#[derive(Clone, Debug)]
pub struct Sealing {
    rules: Arc<[Rule]>,
    keys: Arc<BTreeMap<String, Arc<SealKey>>>,
    expiring: Arc<[Resources]>,
    source: Arc<str>,
}

impl Sealing {
    /// The rules of `source`, the file that errors name. Any of its keys opens any object.
    ///
    /// Objects of `expiring` resources are never sealed anew: the store does not say when they expire, and they go by themselves.
    pub fn new(rules: Vec<Rule>, expiring: Vec<Resources>, source: impl Into<Arc<str>>) -> Self {
        let providers = rules.iter().flat_map(|rule| &rule.providers);
        let keys = providers.filter_map(|provider| match provider {
            Provider::Key(key) => Some((key.id().to_owned(), key.clone())),
            Provider::Identity => None,
        });
        let keys = Arc::new(keys.collect());
        Self { rules: rules.into(), keys, expiring: expiring.into(), source: source.into() }
    }

    /// The key that seals what is written; `None`: it is kept as it is.
    pub(super) fn writer(&self, resource: &str) -> Option<&SealKey> {
        let rule = self.rules.iter().find(|rule| rule.resources.iter().any(|some| some.cover(resource)))?;
        match rule.providers.first()? {
            Provider::Key(key) => Some(key),
            Provider::Identity => None,
        }
    }

    /// The plain bytes: those of sealed ones, or those that are plain already.
    ///
    /// # Errors
    /// `Unusable` without the key, `Corrupt` when the bytes are not what was sealed for this object.
    pub(super) fn open(&self, key: &Key, data: &Bytes) -> Result<Bytes, Error> {
        let Some(sealed) = Sealed::parse(data) else { return Ok(data.clone()) };
        let Some(with) = self.keys.get(sealed.key_id) else {
            return Err(Error::Unusable(format!(
                "{key} is encrypted with key {}, which {} does not hold; restore that file from a backup, or copy it from a server that has the key",
                sealed.key_id, self.source
            )));
        };
        let opened = with.open(key, &sealed);
        opened.ok_or_else(|| {
            Error::Corrupt(format!("{key} was altered after it was encrypted with key {} ({})", with.name(), with.id()))
        })
    }

    /// Whether it would be sealed otherwise if it was written now.
    pub(super) fn is_stale(&self, record: &Record) -> bool {
        let sealed = Sealed::parse(&record.data);
        let with = sealed.as_ref().map(|sealed| sealed.key_id);
        let wanted = self.writer(&record.key.resource).map(SealKey::id);
        with != wanted && !self.expiring.iter().any(|some| some.cover(&record.key.resource))
    }
}

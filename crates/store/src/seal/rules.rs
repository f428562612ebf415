//! Which key seals what.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::key::Sealed;
use super::{Cipher, KeyService, SealKey};
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
#[derive(Clone)]
pub enum Provider {
    /// Sealed.
    Key(Arc<SealKey>),
    /// Sealed, with keys that a service outside keeps.
    Service(Arc<dyn KeyService>),
    /// As it is.
    Identity,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Service(service) => f.debug_tuple("Service").field(&service.name()).finish(),
            Self::Identity => f.write_str("Identity"),
        }
    }
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
#[derive(Clone)]
pub struct Sealing {
    rules: Arc<[Rule]>,
    /// By their ids: those of the file, and the data keys met so far that a service has opened.
    keys: Arc<RwLock<BTreeMap<String, Arc<SealKey>>>>,
    services: Arc<BTreeMap<String, Arc<dyn KeyService>>>,
    expiring: Arc<[Resources]>,
    source: Arc<str>,
}

impl Sealing {
    /// The rules of `source`, the file that errors name. Any of its keys opens any object.
    ///
    /// Objects of `expiring` resources are never sealed anew: the store does not say when they expire, and they go by themselves.
    pub fn new(rules: Vec<Rule>, expiring: Vec<Resources>, source: impl Into<Arc<str>>) -> Self {
        let (mut keys, mut services) = (BTreeMap::new(), BTreeMap::new());
        for provider in rules.iter().flat_map(|rule| &rule.providers) {
            match provider {
                Provider::Key(key) => drop(keys.insert(key.id().to_owned(), key.clone())),
                Provider::Service(service) => drop(services.insert(service.name().to_owned(), service.clone())),
                Provider::Identity => {}
            }
        }
        let (keys, services) = (Arc::new(RwLock::new(keys)), Arc::new(services));
        Self { rules: rules.into(), keys, services, expiring: expiring.into(), source: source.into() }
    }

    /// What keeps what is written of a resource; `None`: no rule covers it.
    fn provider(&self, resource: &str) -> Option<&Provider> {
        let rule = self.rules.iter().find(|rule| rule.resources.iter().any(|some| some.cover(resource)))?;
        rule.providers.first()
    }

    /// The key that seals what is written; `None`: it is kept as it is.
    pub(super) fn writer(&self, resource: &str) -> Result<Option<Arc<SealKey>>, Error> {
        match self.provider(resource) {
            Some(Provider::Key(key)) => Ok(Some(key.clone())),
            Some(Provider::Service(service)) => {
                let key = service.current()?;
                self.remember(&key);
                Ok(Some(key))
            }
            Some(Provider::Identity) | None => Ok(None),
        }
    }

    fn find(&self, id: &str) -> Option<Arc<SealKey>> {
        self.keys.read().get(id).cloned()
    }

    fn remember(&self, key: &Arc<SealKey>) {
        if self.find(key.id()).is_none() {
            self.keys.write().insert(key.id().to_owned(), key.clone());
        }
    }

    /// Has a service open the data key of sealed bytes, if it is not known. After it [`open`](Self::open) needs nobody.
    ///
    /// # Errors
    /// What the service says; `Corrupt` when it gives a secret that is not the one.
    pub(super) async fn learn(&self, data: &[u8]) -> Result<(), Error> {
        let Some(Sealed { key_id, envelope: Some((name, envelope)), .. }) = Sealed::parse(data) else { return Ok(()) };
        // Who is missing is told by whoever opens.
        let Some(service) = self.services.get(name).filter(|_| self.find(key_id).is_none()) else { return Ok(()) };
        let secret = service.open(envelope).await?;
        let wrong = || Error::Corrupt(format!("key service {name} gave another secret for key {key_id}"));
        let key = SealKey::of_service(Cipher::Aes256Gcm, &secret, name, envelope).map_err(|_| wrong())?;
        if key.id() != key_id {
            return Err(wrong());
        }
        self.remember(&Arc::new(key));
        Ok(())
    }

    /// The plain bytes: those of sealed ones, or those that are plain already.
    ///
    /// # Errors
    /// `Unusable` without the key, `Corrupt` when the bytes are not what was sealed for this object.
    pub(super) fn open(&self, key: &Key, data: &Bytes) -> Result<Bytes, Error> {
        let Some(sealed) = Sealed::parse(data) else { return Ok(data.clone()) };
        let Some(with) = self.find(sealed.key_id) else {
            if let Some((service, _)) = sealed.envelope {
                return Err(Error::Unusable(format!(
                    "{key} is encrypted with a key of the key service {service}, which {} does not name",
                    self.source
                )));
            }
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
        let is_as_wanted = match (self.provider(&record.key.resource), &sealed) {
            (Some(Provider::Key(key)), Some(sealed)) => key.id() == sealed.key_id,
            (Some(Provider::Service(service)), Some(sealed)) => {
                sealed.envelope.is_some_and(|(name, envelope)| name == service.name() && service.is_current(envelope))
            }
            (Some(Provider::Identity) | None, sealed) => sealed.is_none(),
            (Some(_), None) => false,
        };
        !is_as_wanted && !self.expiring.iter().any(|some| some.cover(&record.key.resource))
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing").field("rules", &self.rules).field("source", &self.source).finish_non_exhaustive()
    }
}

//! Objects of chosen resources encrypted in the store: a [`Store`] over any other, plain above, sealed below.
//!
//! What lies above (the watch cache and whoever reads it) sees what was written; what lies below (tables of objects and of changes,
//! their files, their backups) sees none of it. It does for Sampan what value transformers do upstream
//! (apiserver/pkg/storage/value): the first provider of a resource's rule seals, every key opens, and what was stored before there
//! was a key stays readable.
//!
//! The key of an object (resource, namespace, name) is part of what is authenticated: sealed bytes that somebody copies to another
//! object do not open.

mod key;
mod reseal;
mod rules;
mod service;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;
use sampan_meta::Entropy;

use crate::{Batch, Durability, Error, Key, Load, Page, Record, Revision, Store, Write};

pub(crate) use key::overhead;
pub use key::{Cipher, KeyError, SealKey, is_sealed};
pub use rules::{Provider, Resources, Rule, Sealing};
pub use service::KeyService;

/// See the module.
pub struct SealedStore {
    inner: Arc<dyn Store>,
    sealing: Sealing,
    entropy: Arc<dyn Entropy>,
    /// What the last loads found sealed otherwise than it would be now.
    stale: Arc<Mutex<BTreeSet<Key>>>,
}

impl SealedStore {
    /// Seals and opens between the caller and `inner`; `entropy` makes the bytes that differ from write to write.
    pub fn new(inner: Arc<dyn Store>, sealing: Sealing, entropy: Arc<dyn Entropy>) -> Self {
        Self { inner, sealing, entropy, stale: Arc::default() }
    }

    fn seal(&self, key: &Key, write: Write) -> Result<Write, Error> {
        let Some(with) = self.sealing.writer(&key.resource)? else { return Ok(write) };
        let seal = |data: Bytes| with.seal(key, &data, self.entropy.as_ref());
        Ok(match write {
            Write::Create { data, expires } => Write::Create { data: seal(data), expires },
            Write::Update { expect, data, expires } => Write::Update { expect, data: seal(data), expires },
            delete @ Write::Delete { .. } => delete,
        })
    }
}

impl Sealing {
    async fn open_record(&self, record: &mut Record) -> Result<(), Error> {
        self.learn(&record.data).await?;
        record.data = self.open(&record.key, &record.data)?;
        Ok(())
    }

    async fn open_or_leave(&self, key: &Key, data: &mut Bytes) -> Result<(), Error> {
        let opened = match self.learn(data).await {
            Ok(()) => self.open(key, data),
            Err(error) => Err(error),
        };
        match opened {
            Ok(plain) => *data = plain,
            Err(error @ Error::Corrupt(_)) => tracing::error!(%error, "a sealed object is left out"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Part of a load. One object that was tampered with is handed on as it lies: whoever decodes it leaves it out, and the others
    /// go on. A key that is missing is another matter: it would make everything it sealed disappear.
    async fn open_part(&self, mut records: Vec<Record>, stale: &Mutex<BTreeSet<Key>>) -> Result<Vec<Record>, Error> {
        for record in &mut records {
            if self.is_stale(record) {
                stale.lock().insert(record.key.clone());
            }
            self.open_or_leave(&record.key, &mut record.data).await?;
        }
        Ok(records)
    }

    async fn open_batch(&self, mut batch: Batch) -> Result<Batch, Error> {
        for change in &mut batch.changes {
            self.open_or_leave(&change.key, &mut change.data).await?;
        }
        Ok(batch)
    }
}

impl Store for SealedStore {
    fn write(&self, key: Key, write: Write, durability: Durability) -> BoxFuture<'_, Result<Revision, Error>> {
        match self.seal(&key, write) {
            Ok(write) => self.inner.write(key, write, durability),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, Error>> {
        async move {
            let Some(mut record) = self.inner.get(key).await? else { return Ok(None) };
            self.sealing.open_record(&mut record).await?;
            Ok(Some(record))
        }
        .boxed()
    }

    fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: Option<&'a str>,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        async move {
            let mut page = self.inner.list(resource, namespace, after, limit).await?;
            for record in &mut page.records {
                self.sealing.open_record(record).await?;
            }
            Ok(page)
        }
        .boxed()
    }

    fn load(&self) -> BoxFuture<'_, Result<Load, Error>> {
        async move {
            let Load { revision, epoch, records } = self.inner.load().await?;
            let (sealing, stale) = (self.sealing.clone(), self.stale.clone());
            let opened = records.then(move |part| {
                let (sealing, stale) = (sealing.clone(), stale.clone());
                async move { sealing.open_part(part?, &stale).await }
            });
            Ok(Load { revision, epoch, records: opened.boxed() })
        }
        .boxed()
    }

    fn current(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        self.inner.current()
    }

    fn known_current(&self) -> Option<Revision> {
        self.inner.known_current()
    }

    fn changes(&self, after: Revision) -> BoxStream<'static, Result<Batch, Error>> {
        let sealing = self.sealing.clone();
        stream::unfold(Some((self.inner.changes(after), sealing)), |state| async move {
            let (mut changes, sealing) = state?;
            let batch = match changes.next().await? {
                Ok(batch) => sealing.open_batch(batch).await,
                Err(error) => Err(error),
            };
            let next = batch.is_ok().then_some((changes, sealing));
            Some((batch, next))
        })
        .boxed()
    }

    fn compacted(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        self.inner.compacted()
    }

    fn compact(&self, to: Revision) -> BoxFuture<'_, Result<Revision, Error>> {
        self.inner.compact(to)
    }

    fn epoch(&self) -> BoxFuture<'_, Result<u64, Error>> {
        self.inner.epoch()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

impl fmt::Debug for SealedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStore").field("sealing", &self.sealing).finish_non_exhaustive()
    }
}

//! Writing anew what was sealed with an earlier key, or not at all.

use std::time::Duration;

use futures::StreamExt;

use super::SealedStore;
use crate::{Durability, Error, Key, Store, Write};

/// Writes in flight at once: they share transactions.
const AT_ONCE: usize = 32;
/// Pause before a store that does not answer is asked again.
const RETRY: Duration = Duration::from_secs(1);

impl SealedStore {
    /// Seals what the last [`Store::load`] found sealed otherwise, as it would be sealed now, and returns how many objects that were.
    /// Each is written only if nobody else has written it since it was read, and who has, has sealed it. Waits while the store is
    /// unavailable; calling it again, or stopping it anywhere, does no harm.
    ///
    /// # Errors
    /// When the store cannot be used any more. An object that does not open is left as it is and does not count.
    pub async fn reseal(&self) -> Result<usize, Error> {
        let stale = std::mem::take(&mut *self.stale.lock());
        let mut results = futures::stream::iter(stale).map(|key| self.insist(key)).buffer_unordered(AT_ONCE);
        let mut written = 0;
        while let Some(done) = results.next().await {
            written += usize::from(done?);
        }
        Ok(written)
    }

    async fn insist(&self, key: Key) -> Result<bool, Error> {
        loop {
            match self.reseal_one(&key).await {
                Err(Error::Unavailable(_)) => tokio::time::sleep(RETRY).await,
                Err(Error::Conflict { .. } | Error::NotFound(_)) => return Ok(false),
                Err(error @ Error::Corrupt(_)) => {
                    tracing::error!(%error, "a sealed object stays under its old key");
                    return Ok(false);
                }
                done => return done,
            }
        }
    }

    async fn reseal_one(&self, key: &Key) -> Result<bool, Error> {
        let Some(record) = self.inner.get(key).await?.filter(|record| self.sealing.is_stale(record)) else {
            return Ok(false);
        };
        self.sealing.learn(&record.data).await?;
        let data = self.sealing.open(key, &record.data)?;
        let write = Write::Update { expect: record.revision, data, expires: None };
        self.write(key.clone(), write, Durability::Durable).await.map(|_| true)
    }
}

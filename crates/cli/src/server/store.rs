//! Which store, from the words of `--store`.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use sampan_store::{MemoryStore, PostgresOptions, PostgresStore, SealedStore, SqliteOptions, SqliteStore, Store};

use super::encryption;
use crate::arguments;
use crate::layout::Layout;
use crate::outside::Outside;
use crate::parts::Parts;

/// A store, and the part of it that encrypts. What is kept in memory alone is not encrypted: the keys would lie beside it.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    sealed: Option<Arc<SealedStore>>,
}

impl Opened {
    /// Encrypts in the background what was found plain, or under an earlier key.
    pub(super) fn reseal(&self, parts: &mut Parts) {
        let Some(sealed) = self.sealed.clone() else { return };
        let stop = parts.stop();
        parts.start("re-encryption", async move {
            match stop.run_until_cancelled(sealed.reseal()).await {
                None | Some(Ok(0)) => {}
                Some(Ok(count)) => tracing::info!(count, "objects encrypted anew with the first key"),
                Some(Err(error)) => {
                    tracing::error!(%error, "objects stay under their earlier keys until the next start")
                }
            }
            stop.cancelled().await;
            Ok(())
        });
    }
}

pub(super) async fn open(options: &arguments::Server, layout: &Layout, outside: &Outside) -> Result<Opened> {
    let store = open_plain(&options.store, layout, outside).await?;
    let given = options.encryption_provider_config.as_deref();
    if options.store == "memory" && given.is_none() {
        return Ok(Opened { store, sealed: None });
    }
    let sealing = encryption::open(given, layout, outside)?;
    let sealed = Arc::new(SealedStore::new(store, sealing, outside.entropy.clone()));
    Ok(Opened { store: sealed.clone(), sealed: Some(sealed) })
}

async fn open_plain(words: &str, layout: &Layout, outside: &Outside) -> Result<Arc<dyn Store>> {
    let clock = outside.clock.clone();
    match words {
        "memory" => Ok(Arc::new(MemoryStore::new(clock))),
        "sqlite" => {
            let path = layout.database();
            let store = SqliteStore::open(&path, SqliteOptions::new(clock));
            Ok(Arc::new(store.with_context(|| format!("failed to open the store {}", path.display()))?))
        }
        url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            let store = PostgresStore::connect(url, PostgresOptions::new(clock)).await;
            Ok(Arc::new(store.context("failed to open the store on Postgres")?))
        }
        other => bail!("--store {other:?} is none of: sqlite, memory, postgres://USER@HOST/DATABASE"),
    }
}

//! Which store, from the words of `--store`.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use sampan_apiserver::ApiServer;
use sampan_kms::KmsService;
use sampan_store::{Key, MemoryStore, PostgresOptions, PostgresStore, SealedStore, SqliteOptions, SqliteStore, Store};
use serde_json::Value;
use tokio::sync::watch;

use super::encryption;
use crate::arguments;
use crate::layout::Layout;
use crate::outside::Outside;
use crate::parts::Parts;

/// A store, and the part of it that encrypts. What is kept in memory alone is not encrypted: the keys would lie beside it.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    sealed: Option<Arc<SealedStore>>,
    /// Key services outside, with which it encrypts.
    services: Vec<Arc<KmsService>>,
    /// Whether other servers may use it as well.
    shared: bool,
}

impl Opened {
    /// The address of Service `default/kubernetes`, where other servers may have made the cluster before.
    pub(super) async fn cluster_address(&self) -> Result<Option<Ipv4Addr>> {
        if !self.shared {
            return Ok(None);
        }
        let key = Key::new("/services", "default", "kubernetes");
        let found = self.store.get(&key).await.context("failed to read service default/kubernetes")?;
        let service: Value = match found {
            Some(record) => serde_json::from_slice(&record.data).context("service default/kubernetes is no JSON")?,
            None => return Ok(None),
        };
        Ok(service["spec"]["clusterIP"].as_str().and_then(|address| address.parse().ok()))
    }

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

impl Opened {
    /// Asks the key services how they are, tells it in `/healthz`, and encrypts anew what lies under a key that a service has replaced.
    pub(super) fn watch_services(&self, api: &ApiServer, parts: &mut Parts) {
        let Some(sealed) = self.sealed.clone().filter(|_| !self.services.is_empty()) else { return };
        let services = self.services.clone();
        api.add_check("kms-providers", move || services.iter().try_for_each(|service| service.health()));
        for service in &self.services {
            let (stop, rotations) = (parts.stop(), service.rotations());
            let (service, sealed) = (service.clone(), sealed.clone());
            parts.start("key service", async move {
                let both = futures::future::join(service.watch(), follow_rotations(sealed, rotations));
                stop.run_until_cancelled(both).await;
                Ok(())
            });
        }
    }
}

async fn follow_rotations(sealed: Arc<SealedStore>, mut rotations: watch::Receiver<String>) {
    // An error means that the service is gone.
    while rotations.changed().await.is_ok() {
        match encrypt_anew(&sealed).await {
            Ok(count) => tracing::info!(count, "objects encrypted anew with the key service's new key"),
            Err(error) => {
                tracing::error!(%error, "objects stay under the key service's earlier key until the next start")
            }
        }
    }
}

async fn encrypt_anew(sealed: &SealedStore) -> Result<usize, sampan_store::Error> {
    // Reading everything finds what is sealed otherwise than it would be now.
    let mut records = sealed.load().await?.records;
    while records.try_next().await?.is_some() {}
    sealed.reseal().await
}

pub(super) async fn open(options: &arguments::Server, layout: &Layout, outside: &Outside) -> Result<Opened> {
    let store = open_plain(&options.store, layout, outside).await?;
    let given = options.encryption_provider_config.as_deref();
    if options.store == "memory" && given.is_none() {
        return Ok(Opened { store, sealed: None, services: Vec::new(), shared: false });
    }
    let encryption::Opened { sealing, services } = encryption::open(given, layout, outside).await?;
    let sealed = Arc::new(SealedStore::new(store, sealing, outside.entropy.clone()));
    let shared = !matches!(&*options.store, "sqlite" | "memory");
    Ok(Opened { store: sealed.clone(), sealed: Some(sealed), services, shared })
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

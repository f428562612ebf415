//! The loop that keeps a cache true: list, watch from there, list again when the version is no longer kept.
//!
//! kube-runtime's watcher is not used: it hides the versions of lists and bookmarks, which [`super::Informer::version`] needs, and
//! retries at once when a server ends every watch without an error.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use sampan_meta::Entropy;
use tokio::time::{Instant, sleep, timeout};

use super::cache::Cache;
use super::latch::Latch;
use super::source::{Events, Source};
use super::{Transform, Watched};
use crate::backoff::{Backoff, BackoffPolicy};
use crate::{ListParams, WatchEvent, WatchParams, error};

/// How long the server is asked to keep one watch open. Silence for longer than that and a little more means a dead connection.
const WATCH_SECONDS: u32 = 290;
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 5);
/// A watch that ends sooner than this without having said anything is counted as a failure (client-go: "very short watch").
const SHORTEST: Duration = Duration::from_secs(1);
/// As client-go's pager.
const PAGE: u32 = 500;

pub(super) struct Reflector<K: Watched> {
    source: Box<dyn Source<K>>,
    fields: Option<String>,
    labels: Option<String>,
    transform: Option<Transform<K>>,
    cache: Arc<Cache<K>>,
    synced: Latch,
    backoff: Backoff,
}

/// Why a watch ended.
enum End {
    /// The server or the connection ended it: go on from the last version.
    Resume,
    /// The version is no longer kept.
    Expired,
    /// Something is wrong; wait before going on from the last version.
    Failed(String),
    /// An event is of an object that is not as its type says, and would come again: wait, then list those that are.
    Unreadable(String),
}

impl<K: Watched> Reflector<K> {
    pub(super) fn new(
        source: Box<dyn Source<K>>,
        fields: Option<String>,
        labels: Option<String>,
        transform: Option<Transform<K>>,
        cache: Arc<Cache<K>>,
        synced: Latch,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let backoff = Backoff::new(BackoffPolicy::WATCH, entropy);
        Self { source, fields, labels, transform, cache, synced, backoff }
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.list().await {
                Ok(version) => self.follow(version).await,
                Err(failure) => self.wait_after(&error::message(&failure)).await,
            }
        }
    }

    /// Fills the cache from a consistent list and returns its version.
    async fn list(&mut self) -> kube::Result<String> {
        let mut params = ListParams {
            field_selector: self.fields.clone(),
            label_selector: self.labels.clone(),
            limit: Some(PAGE),
            ..ListParams::default()
        };
        let mut objects = Vec::new();
        let version = loop {
            let page = self.source.list(&params).await?;
            objects.extend(page.items);
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                break page.metadata.resource_version.unwrap_or_default();
            }
        };
        objects.iter_mut().for_each(|object| self.strip(object));
        self.cache.replace(objects, number(&version));
        self.synced.set();
        Ok(version)
    }

    /// Watches again and again from `version` on; returns when a new list is needed.
    async fn follow(&mut self, mut version: String) {
        loop {
            match self.watch(&mut version).await {
                End::Resume => {}
                End::Expired => return,
                End::Failed(failure) => self.wait_after(&failure).await,
                End::Unreadable(failure) => return self.wait_after(&failure).await,
            }
        }
    }

    async fn watch(&mut self, version: &mut String) -> End {
        let started = Instant::now();
        let seen_before = version.clone();
        let params = WatchParams {
            field_selector: self.fields.clone(),
            label_selector: self.labels.clone(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: true,
            send_initial_events: false,
        };
        let end = match self.source.watch(&params, version).await {
            Ok(events) => self.read(events, version).await,
            Err(failure) if error::is_expired(&failure) => End::Expired,
            Err(failure) => End::Failed(error::message(&failure)),
        };
        match end {
            End::Resume if *version == seen_before && started.elapsed() < SHORTEST => {
                End::Failed("the watch ended at once without an event".to_owned())
            }
            other => other,
        }
    }

    /// Takes events until the watch ends.
    async fn read(&mut self, mut events: Events<K>, version: &mut String) -> End {
        self.cache.set_failure(None);
        loop {
            let event = match timeout(SILENCE, events.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(failure))) if error::is_unreadable(&failure) => {
                    return End::Unreadable("an object is not as its type says".to_owned());
                }
                Ok(Some(Err(failure))) => return End::Failed(error::message(&failure)),
                Ok(None) | Err(_) => return End::Resume,
            };
            self.backoff.succeeded();
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => self.applied(object, version),
                WatchEvent::Deleted(object) => self.deleted(object, version),
                WatchEvent::Bookmark(bookmark) => {
                    *version = bookmark.metadata.resource_version;
                    self.cache.progress(number(version));
                }
                WatchEvent::Error(status) if status.code == 410 => return End::Expired,
                WatchEvent::Error(status) => return End::Failed(status.message.clone()),
            }
        }
    }

    fn applied(&self, mut object: K, version: &mut String) {
        self.strip(&mut object);
        *version = version_of(&object);
        self.cache.apply(object, number(version));
    }

    fn deleted(&self, mut object: K, version: &mut String) {
        self.strip(&mut object);
        *version = version_of(&object);
        self.cache.delete(object, number(version));
    }

    /// managedFields are often half of an object and read by nobody here.
    fn strip(&self, object: &mut K) {
        object.meta_mut().managed_fields = None;
        if let Some(transform) = &self.transform {
            transform(object);
        }
    }

    async fn wait_after(&mut self, failure: &str) {
        let delay = self.backoff.failed();
        tracing::warn!(watch = %self.source.describe(), ?delay, "watch failed: {failure}");
        self.cache.set_failure(Some(failure.to_owned()));
        sleep(delay).await;
    }
}

fn version_of<K: Watched>(object: &K) -> String {
    object.meta().resource_version.clone().unwrap_or_default()
}

/// Resource versions are numbers that may be compared within one kind (KEP-5504).
fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

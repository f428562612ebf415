//! One shared watch of a kind: a cache with indices, and subscriptions to its changes.
//!
//! A part of the process makes one [`Informer`] per kind (by [`Informers`], or by [`Informer::builder`] where a selector narrows it)
//! and hands out clones. The watch ends when the last clone is dropped.

mod cache;
mod latch;
mod reflector;
mod shared;
mod source;
mod subscription;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::sync::Arc;

use sampan_meta::selector::LabelSelector;
use sampan_meta::{Entropy, NamespacedName};

use crate::{Api, DynamicObject, PartialObjectMeta, Resource};
use cache::Cache;
use reflector::Reflector;
use source::{Full, Metadata, Source};

pub use shared::Informers;
pub use subscription::{Change, Subscription};

/// What can be kept in an informer: any typed, dynamic or metadata-only object.
pub trait Watched: Resource + Clone + Send + Sync + 'static {}
impl<K: Resource + Clone + Send + Sync + 'static> Watched for K {}

/// A handle to one shared watch and its cache. Cloning is cheap and shares both.
pub struct Informer<K: Watched> {
    shared: Arc<Shared<K>>,
}

struct Shared<K: Watched> {
    cache: Arc<Cache<K>>,
    synced: latch::Waiting,
    task: tokio::task::AbortHandle,
}

impl<K: Watched> Drop for Shared<K> {
    fn drop(&mut self) {
        self.task.abort();
        self.cache.close();
    }
}

impl<K: Watched> Clone for Informer<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

/// What an informer shall watch, before it starts.
pub struct InformerBuilder<K: Watched> {
    source: Box<dyn Source<K>>,
    fields: Option<String>,
    labels: Option<String>,
    transform: Option<Transform<K>>,
    cache: Cache<K>,
}

type Transform<K> = Box<dyn Fn(&mut K) + Send + Sync>;

impl<K> Informer<K>
where
    K: Watched + serde::de::DeserializeOwned + std::fmt::Debug,
{
    /// Prepares a watch of whole objects.
    pub fn builder(api: Api<K>) -> InformerBuilder<K> {
        InformerBuilder::new(Box::new(Full(api)))
    }
}

impl Informer<PartialObjectMeta<DynamicObject>> {
    /// Prepares a watch of nothing but the metadata of a kind known at run time.
    pub fn metadata(api: Api<DynamicObject>) -> InformerBuilder<PartialObjectMeta<DynamicObject>> {
        InformerBuilder::new(Box::new(Metadata(api)))
    }
}

impl<K: Watched> InformerBuilder<K> {
    fn new(source: Box<dyn Source<K>>) -> Self {
        Self { source, fields: None, labels: None, transform: None, cache: Cache::new() }
    }

    /// Watches only what the field selector (`spec.nodeName=edge-1`) matches.
    #[must_use]
    pub fn fields(mut self, selector: &str) -> Self {
        self.fields = Some(selector.to_owned());
        self
    }

    /// Watches only what the label selector matches.
    #[must_use]
    pub fn labels(mut self, selector: &str) -> Self {
        self.labels = Some(selector.to_owned());
        self
    }

    /// Changes each object before it is kept, to drop what nobody here reads. managedFields are dropped in any case.
    #[must_use]
    pub fn transform(mut self, transform: impl Fn(&mut K) + Send + Sync + 'static) -> Self {
        self.transform = Some(Box::new(transform));
        self
    }

    /// Keeps a secondary index; see [`Informer::add_index`].
    #[must_use]
    pub fn index(self, name: &'static str, keys: impl Fn(&K) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.cache.add_index(name, Box::new(keys));
        self
    }

    /// Starts to watch, on a task of the current tokio runtime. `entropy` spreads the attempts after failures.
    #[must_use]
    pub fn start(self, entropy: Arc<dyn Entropy>) -> Informer<K> {
        let Self { source, fields, labels, transform, cache } = self;
        let cache = Arc::new(cache);
        let (synced_sender, synced) = latch::latch();
        let reflector = Reflector::new(source, fields, labels, transform, cache.clone(), synced_sender, entropy);
        let task = tokio::spawn(reflector.run()).abort_handle();
        Informer { shared: Arc::new(Shared { cache, synced, task }) }
    }
}

impl<K: Watched> Informer<K> {
    /// The object of that name as last seen.
    #[must_use]
    pub fn get(&self, name: &NamespacedName) -> Option<Arc<K>> {
        self.shared.cache.get(name)
    }

    /// Everything, ordered by namespace and name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<K>> {
        self.shared.cache.list(None)
    }

    /// Everything in one namespace, ordered by name.
    #[must_use]
    pub fn list_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        self.shared.cache.list(Some(namespace))
    }

    /// What the selector matches, in one namespace.
    #[must_use]
    pub fn list_matching(&self, namespace: &str, selector: &LabelSelector) -> Vec<Arc<K>> {
        let mut objects = self.list_namespace(namespace);
        objects.retain(|object| matches(selector, &**object));
        objects
    }

    /// The number of objects kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.cache.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps a secondary index from now on: `keys` gives the keys an object is found under. The same name again is ignored, so that
    /// everybody who needs an index may ask for it.
    pub fn add_index(&self, name: &'static str, keys: impl Fn(&K) -> Vec<String> + Send + Sync + 'static) {
        self.shared.cache.add_index(name, Box::new(keys));
    }

    /// The objects an index holds under a key, ordered by namespace and name.
    ///
    /// # Panics
    /// If no index of that name was added: a mistake of the caller, not of any input.
    #[must_use]
    pub fn by_index(&self, name: &str, key: &str) -> Vec<Arc<K>> {
        self.shared.cache.by_index(name, key)
    }

    /// All changes from now on, preceded by one addition per object that is already known.
    #[must_use]
    pub fn subscribe(&self) -> Subscription<K> {
        self.shared.cache.subscribe()
    }

    /// Waits until the first list is in the cache.
    pub async fn synced(&self) {
        // The sender lives as long as the reflector's task, which the handle in `self` keeps running.
        self.shared.synced.done().await;
    }

    /// Whether the first list is in the cache.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.shared.synced.is_set()
    }

    /// The resource version up to which the cache has seen everything; 0 before the first list. Comparable with the versions that
    /// writes of the same kind return: a controller that wrote at 7 waits until this is 7 before it believes the cache.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.cache.version()
    }

    /// Why the watch is not running, in words; `None` while all is well.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.shared.cache.failure()
    }
}

/// Whether a label selector matches an object's labels.
#[must_use]
pub fn matches<K: Resource>(selector: &LabelSelector, object: &K) -> bool {
    let labels = object.meta().labels.as_ref();
    selector.matches(|key| labels.and_then(|labels| labels.get(key)).map(String::as_str))
}

/// The namespace and name of an object; the namespace is empty for cluster-scoped ones.
#[must_use]
pub fn name_of<K: Resource>(object: impl Borrow<K>) -> NamespacedName {
    let meta = object.borrow().meta();
    NamespacedName {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
    }
}

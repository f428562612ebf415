//! The registry itself: the kinds, the watch cache over the store, and what all verbs share.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use sampan_api::webhook::WebhookClient;
use sampan_meta::{Clock, Entropy};
use sampan_store::{At, Store, WatchCache};
use serde_json::Value;
use tokio::task::AbortHandle;

use crate::allocator::Ranges;
use crate::apiextensions::{self, Catalogs};
use crate::builtin::builtin;
use crate::error::OpenError;
use crate::networking::service_cidr::{self, Networks};
use crate::object::Object;
use crate::resource::Resource;

/// What a registry is given.
#[derive(Clone)]
pub struct Options {
    /// Sets creation and deletion timestamps.
    pub clock: Arc<dyn Clock>,
    /// Makes uids and generated names.
    pub entropy: Arc<dyn Entropy>,
    /// Where ClusterIPs come from: network address and prefix length.
    pub service_network: (IpAddr, u8),
    /// Where NodePorts come from; upstream's default is 30000-32767.
    pub node_ports: RangeInclusive<u16>,
    /// How much the watch cache keeps and how long it waits.
    pub cache: sampan_store::cache::Options,
}

/// Every kind of one cluster, over one store.
pub struct Registry {
    pub(crate) cache: Arc<WatchCache<Object>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) ranges: Ranges,
    /// Where addresses of Services come from: this server's own network, and others that were added.
    pub(crate) networks: Networks,
    /// The kinds that are known since their definition is there.
    pub(crate) catalogs: Catalogs,
    /// The uids of definitions whose instances are being deleted by this process.
    pub(crate) cleaning: Mutex<HashSet<String>>,
    /// Whom conversion webhooks are asked through.
    pub(crate) webhooks: OnceLock<Arc<dyn WebhookClient>>,
    settling: Mutex<Option<AbortHandle>>,
    resources: Vec<Arc<Resource>>,
    by_path: HashMap<(&'static str, &'static str, &'static str), usize>,
    namespaces: usize,
    pods: usize,
}

impl Registry {
    /// Loads what the store holds, follows it from there, and makes what every cluster has: the namespaces `default`, `kube-system`,
    /// `kube-public` and `kube-node-lease`, the priority classes `system-*`, the levels and schemas of flow control, and the ServiceCIDR
    /// `kubernetes`.
    ///
    /// # Errors
    /// When the store cannot be read or written now, or the service network is too small.
    pub async fn open(store: Arc<dyn Store>, options: Options) -> Result<Arc<Self>, OpenError> {
        let ranges = Ranges::new(options.service_network, options.node_ports)?;
        let cache = WatchCache::start(store, options.cache).await?;
        let resources = resources();
        let path = |resource: &Arc<Resource>| (resource.names.group, resource.names.version, resource.names.plural);
        let by_path: HashMap<_, _> = resources.iter().enumerate().map(|(at, resource)| (path(resource), at)).collect();
        let (namespaces, pods) = (by_path[&("", "v1", "namespaces")], by_path[&("", "v1", "pods")]);
        let Options { clock, entropy, .. } = options;
        let registry = Arc::new(Self {
            cache,
            clock,
            entropy,
            ranges,
            networks: Networks::default(),
            catalogs: Catalogs::default(),
            cleaning: Mutex::default(),
            webhooks: OnceLock::new(),
            settling: Mutex::default(),
            resources,
            by_path,
            namespaces,
            pods,
        });
        registry.bootstrap().await?;
        let (definitions, networks) = (Arc::downgrade(&registry), Arc::downgrade(&registry));
        let settling = tokio::spawn(async move {
            tokio::join!(apiextensions::run(definitions), service_cidr::run(networks));
        });
        *registry.settling.lock() = Some(settling.abort_handle());
        Ok(registry)
    }

    /// The built-in kinds, in the order of discovery: core first, then group by group.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// Everything that is served now: the built-in kinds, then the custom ones.
    pub fn served(&self) -> Vec<Arc<Resource>> {
        self.resources.iter().chain(&self.catalog().resources).cloned().collect()
    }

    /// Changes whenever [`Registry::served`] may have.
    pub fn served_version(&self) -> u64 {
        self.catalog().version()
    }

    /// The resource at a path: `find("apps", "v1", "deployments")`.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        match self.by_path.get(&(group, version, plural)) {
            Some(at) => Some(Arc::clone(&self.resources[*at])),
            None => self.catalog().find(group, version, plural).cloned(),
        }
    }

    /// How many objects of a resource there are, as far as the cache knows.
    pub fn count(&self, resource: &Resource) -> usize {
        self.cache.snapshot(&resource.storage, &At::Latest).map_or(0, |snapshot| snapshot.len())
    }

    /// Changes whenever any object of a resource changed: the key of what is compiled from them.
    pub fn version(&self, resource: &Resource) -> u64 {
        self.cache.resource_version(&resource.storage)
    }

    /// The objects of a resource as the cache has them.
    pub fn values(&self, resource: &Resource) -> Vec<Value> {
        let Ok(snapshot) = self.cache.snapshot(&resource.storage, &At::Latest) else { return Vec::new() };
        snapshot.range(None, None).map(|object| object.value()).collect()
    }

    /// The watch cache below, for health checks and metrics.
    pub fn cache(&self) -> &Arc<WatchCache<Object>> {
        &self.cache
    }

    /// The first address of the service network, which is the API server's own: Service `default/kubernetes`.
    pub fn api_service_address(&self) -> IpAddr {
        self.ranges.first_address()
    }

    pub(crate) fn namespaces(&self) -> &Arc<Resource> {
        &self.resources[self.namespaces]
    }

    pub(crate) fn pods(&self) -> &Arc<Resource> {
        &self.resources[self.pods]
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(settling) = self.settling.lock().take() {
            settling.abort();
        }
    }
}

fn resources() -> Vec<Arc<Resource>> {
    let mut resources: Vec<Arc<Resource>> = Vec::new();
    for strategy in builtin() {
        resources.push(Arc::new(Resource::new(*strategy)));
        let views = strategy.views().iter();
        resources.extend(views.map(|view| Arc::new(Resource::viewed(*strategy, *view))));
    }
    resources.sort_by_key(|resource| resource.names.group);
    resources
}

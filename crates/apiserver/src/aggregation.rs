//! APIs that others serve: an APIService with a `spec.service` hands a group and version to an extension server. Upstream: `kube-aggregator`.
//!
//! Requests for such a group and version are [passed on](proxy) once they were authenticated and authorized here, under the certificate of
//! the front proxy and with the user in headers. Whether an extension server [answers](availability) is looked at when its APIService,
//! Service or endpoints change, when a request failed to reach it, and now and then while it does not. What it
//! [says of itself](learned) is part of this server's discovery. What this server serves has [APIServices](local), too.

mod availability;
mod check;
mod learned;
mod local;
mod priority;
mod proxy;
mod run;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use sampan_access::pki::{self, LiveCertificate};
use sampan_meta::{Clock, object};
use sampan_registry::{Registry, Resource};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

use crate::node_client::unverified;
use crate::service_endpoints::authorities;

pub(crate) use learned::Learned;
pub(crate) use priority::{of_group, of_version};
pub(crate) use proxy::answer;

/// How this server is known to extension servers.
pub struct FrontProxy {
    /// What it shows them; ConfigMap `kube-system/extension-apiserver-authentication` says who vouches for it.
    pub certificate: Arc<LiveCertificate>,
    /// Whom to trust where an APIService brings no authority of its own.
    pub roots: Vec<CertificateDer<'static>>,
}

/// The extension servers of one API server.
pub(crate) struct Aggregation {
    resource: Arc<Resource>,
    clock: Arc<dyn Clock>,
    front_proxy: OnceLock<FrontProxy>,
    current: ArcSwap<Catalog>,
    making: Mutex<()>,
    learned: Mutex<LearnedByName>,
    /// Told when a request could not be passed on.
    failed: Notify,
}

#[derive(Default)]
struct LearnedByName {
    /// Changes with every change of the others.
    version: u64,
    by_name: BTreeMap<String, Arc<Learned>>,
}

/// The APIServices of the moment.
#[derive(Default)]
struct Catalog {
    version: u64,
    /// By `GROUP/VERSION`.
    remotes: HashMap<String, Arc<Remote>>,
}

/// A group and version that an extension server serves.
pub(crate) struct Remote {
    /// The APIService's.
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) group_priority: i64,
    pub(crate) version_priority: i64,
    namespace: String,
    service: String,
    port: u16,
    available: bool,
    tls: Result<TlsConnector, String>,
    /// What `tls` was made of.
    trust: (String, bool),
}

impl Remote {
    /// Whether requests are passed on.
    pub(crate) fn is_available(&self) -> bool {
        self.available
    }
}

impl Aggregation {
    pub(crate) fn new(registry: &Registry, clock: Arc<dyn Clock>) -> Self {
        let resource = registry.find("apiregistration.k8s.io", "v1", "apiservices");
        Self {
            resource: resource.expect("APIServices are built in"),
            clock,
            front_proxy: OnceLock::new(),
            current: ArcSwap::default(),
            making: Mutex::default(),
            learned: Mutex::default(),
            failed: Notify::new(),
        }
    }

    /// Changes whenever discovery of what others serve may have.
    pub(crate) fn version(&self, registry: &Registry) -> (u64, u64) {
        (registry.version(&self.resource), self.learned.lock().version)
    }

    /// Who serves what is at this path, if somebody else does.
    pub(crate) fn find(&self, registry: &Registry, path: &str) -> Option<Arc<Remote>> {
        let catalog = self.catalog(registry);
        if catalog.remotes.is_empty() {
            return None;
        }
        let below = path.strip_prefix("/openapi/v3").unwrap_or(path).strip_prefix("/apis/")?;
        let group = below.find('/')? + 1;
        let version = below[group..].find('/').unwrap_or(below.len() - group);
        catalog.remotes.get(&below[..group + version]).cloned()
    }

    /// All that others serve, each with what is known of it.
    pub(crate) fn remotes(&self, registry: &Registry) -> Vec<(Arc<Remote>, Option<Arc<Learned>>)> {
        let catalog = self.catalog(registry);
        let learned = self.learned.lock();
        let mut remotes: Vec<_> = catalog
            .remotes
            .values()
            .map(|remote| (Arc::clone(remote), learned.by_name.get(&remote.name).cloned()))
            .collect();
        remotes.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        remotes
    }

    fn catalog(&self, registry: &Registry) -> Arc<Catalog> {
        let version = registry.version(&self.resource);
        let current = self.current.load();
        if current.version == version {
            return Arc::clone(&current);
        }
        let _making = self.making.lock();
        let current = self.current.load_full();
        if current.version == version {
            return current;
        }
        let services = registry.values(&self.resource);
        let remotes = services.iter().filter_map(|service| {
            let remote = self.remote(&current, service)?;
            Some((format!("{}/{}", remote.group, remote.version), Arc::new(remote)))
        });
        let next = Arc::new(Catalog { version, remotes: remotes.collect() });
        self.current.store(Arc::clone(&next));
        next
    }

    fn remote(&self, before: &Catalog, api_service: &Value) -> Option<Remote> {
        let text = |pointer: &str| object::str_at(api_service, pointer).unwrap_or_default().to_owned();
        let number = |pointer: &str| object::i64_at(api_service, pointer).unwrap_or_default();
        api_service.pointer("/spec/service").filter(|service| service.is_object())?;
        let (group, version) = (text("/spec/group"), text("/spec/version"));
        let unchecked = object::bool_at(api_service, "/spec/insecureSkipTLSVerify") == Some(true);
        let trust = (text("/spec/caBundle"), unchecked);
        let known = before.remotes.get(&format!("{group}/{version}")).filter(|known| known.trust == trust);
        let tls = match known {
            Some(known) => known.tls.clone(),
            None => self.connector(&trust),
        };
        Some(Remote {
            name: object::name(api_service).to_owned(),
            group_priority: number("/spec/groupPriorityMinimum"),
            version_priority: number("/spec/versionPriority"),
            namespace: text("/spec/service/namespace"),
            service: text("/spec/service/name"),
            port: u16::try_from(number("/spec/service/port")).ok().filter(|port| *port > 0).unwrap_or(443),
            available: availability::is_available(api_service),
            group,
            version,
            tls,
            trust,
        })
    }

    fn connector(&self, (bundle, unchecked): &(String, bool)) -> Result<TlsConnector, String> {
        let proxy = self.front_proxy.get().ok_or("this server has no certificate for extension servers")?;
        let certificate = Arc::clone(&proxy.certificate);
        let config = match (bundle.as_str(), unchecked) {
            (_, true) => unverified::showing(certificate),
            ("", false) => self.verified(&proxy.roots, certificate)?,
            (bundle, false) => self.verified(&authorities(bundle)?, certificate)?,
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn verified(
        &self,
        roots: &[CertificateDer<'static>],
        certificate: Arc<LiveCertificate>,
    ) -> Result<rustls::ClientConfig, String> {
        pki::live_client_config(roots, certificate, Arc::clone(&self.clock)).map_err(|error| error.to_string())
    }

    /// Keeps what an extension server says of itself; nothing, once it is gone.
    fn learn(&self, name: &str, news: Option<Learned>) {
        let mut learned = self.learned.lock();
        if learned.by_name.get(name).map(|known| &**known) == news.as_ref() {
            return;
        }
        match news {
            Some(news) => drop(learned.by_name.insert(name.to_owned(), Arc::new(news))),
            None => drop(learned.by_name.remove(name)),
        }
        learned.version += 1;
    }
}

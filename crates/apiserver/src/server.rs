//! What a server is made of.

use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use rustls::{ClientConfig, ServerConfig};
use sampan_access::{Authenticator, Authorizer, token};
use sampan_api::request::{Admission, User};
use sampan_meta::{Clock, Entropy};
use sampan_registry::{Registry, Resource};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::aggregation::Aggregation;
use crate::audit::Audit;
use crate::caller::Caller;
use crate::discovery::Published;
use crate::flow_control::{Configuration, FlowControl, Limits};
use crate::health::OwnCheck;
use crate::metrics::Metrics;
use crate::node_client::NodeClient;
use crate::provider_keys::ProviderKeys;
use crate::service::Service;
use crate::trace::Tracer;
use crate::version::Version;

/// What a server is given.
pub struct Options {
    /// The objects.
    pub registry: Arc<Registry>,
    /// Decides who asks.
    pub authenticator: Arc<Authenticator>,
    /// Decides who may.
    pub authorizer: Arc<Authorizer>,
    /// Decides what may be written.
    pub admission: Arc<dyn Admission>,
    /// Mints the tokens of service accounts.
    pub tokens: Arc<token::Issuer>,
    /// Ages in tables, the deadlines in tokens.
    pub clock: Arc<dyn Clock>,
    /// Request ids and the length of watches.
    pub entropy: Arc<dyn Entropy>,
    /// What `/version` says.
    pub version: Version,
    /// How nodes are spoken to for logs and proxies: the cluster's authority and the server's client certificate. `None`: not at all.
    pub node_client: Option<Arc<ClientConfig>>,
    /// How much goes on at once and how long it may take.
    pub limits: Limits,
}

/// The API of one cluster. Cheap to share; every way in works on the same one.
pub struct ApiServer {
    pub(crate) registry: Arc<Registry>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) admission: Arc<dyn Admission>,
    pub(crate) tokens: Arc<token::Issuer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) version: Version,
    pub(crate) nodes: NodeClient,
    pub(crate) limits: Limits,
    pub(crate) flow_control: FlowControl,
    /// Where priority levels and flow schemas are kept.
    flow_objects: [Arc<Resource>; 2],
    pub(crate) metrics: Metrics,
    pub(crate) published: Published,
    pub(crate) aggregation: Aggregation,
    pub(crate) provider_keys: ProviderKeys,
    pub(crate) audit: Option<Arc<Audit>>,
    /// Checks that only some servers have.
    pub(crate) own_checks: RwLock<Vec<OwnCheck>>,
    pub(crate) tracer: OnceLock<Tracer>,
}

impl ApiServer {
    /// Puts a server together that keeps no audit log; nothing is listened on yet.
    pub fn new(options: Options) -> Arc<Self> {
        Self::audited(options, None)
    }

    /// Puts a server together that tells `audit` of its requests.
    pub fn audited(options: Options, audit: Option<Arc<Audit>>) -> Arc<Self> {
        let Options {
            registry,
            authenticator,
            authorizer,
            admission,
            tokens,
            clock,
            entropy,
            version,
            node_client,
            limits,
        } = options;
        let aggregation = Aggregation::new(&registry, Arc::clone(&clock));
        let provider_keys = ProviderKeys::new(&authenticator, &clock);
        let published = Published::new(&registry, &aggregation);
        let flow_objects = ["prioritylevelconfigurations", "flowschemas"].map(|plural| {
            let found = registry.find("flowcontrol.apiserver.k8s.io", "v1", plural);
            found.expect("the kinds of flow control are built in")
        });
        Arc::new(Self {
            nodes: NodeClient::new(node_client),
            flow_control: FlowControl::new(&limits),
            flow_objects,
            metrics: Metrics::default(),
            registry,
            authenticator,
            authorizer,
            admission,
            tokens,
            clock,
            entropy,
            version,
            limits,
            published,
            aggregation,
            provider_keys,
            audit,
            own_checks: RwLock::default(),
            tracer: OnceLock::new(),
        })
    }

    /// Has spans of requests told from now on. The first tracer stays.
    pub fn trace(&self, tracer: Tracer) {
        // Nothing is lost with a second one but itself.
        let _ = self.tracer.set(tracer);
    }

    /// The API without a socket, for parts in the same process: every request is made by `user` and authorized as such.
    pub fn service_as(self: &Arc<Self>, user: User) -> Service {
        Service::new(Arc::clone(self), Arc::new(Caller::fixed(user)))
    }

    /// Goes by the priority levels and flow schemas as their objects are now. Asked with each request, it costs nothing until they change.
    pub(crate) fn follow_flow_control(&self) {
        let [levels, schemas] = &self.flow_objects;
        // Versions are revisions of one store: a change of either kind is a higher one than all before.
        let version = self.registry.version(levels).max(self.registry.version(schemas));
        self.flow_control.follow(version, || {
            let (levels, schemas) = (self.registry.values(levels), self.registry.values(schemas));
            Configuration::from_objects(levels.iter(), schemas.iter())
        });
    }

    /// Serves TLS connections until `shutdown`; then ends watches, lets running requests finish (10 s at most) and returns.
    /// The configuration decides about protocol versions and client certificates; ALPN is set here to `h2` and `http/1.1`.
    ///
    /// # Errors
    /// Only when the listener itself is lost. What happens to one connection never ends another.
    pub async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        shutdown: CancellationToken,
    ) -> std::io::Result<()> {
        crate::listener::serve(Arc::clone(self), listener, tls, shutdown).await
    }
}

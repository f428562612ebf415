//! One cluster a test: everything real, in memory, answering in process.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use sampan_access::{Authenticator, Authority, Authorizer, Chain, admission, bootstrap, token};
use sampan_api::request::{Admission, AdmissionRequest, Lister, MASTERS, User};
use sampan_apiserver::{ApiServer, Audit, Body, HttpsWebhooks, Limits, Options, Version};
use sampan_meta::{Clock, Entropy, SeededEntropy, Status};
use sampan_registry::Registry;
use sampan_store::{MemoryStore, Store};
use serde_json::Value;
use tower::Service as _;

/// The wall clock: certificates are judged by real clients.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> jiff::Timestamp {
        #[expect(clippy::disallowed_methods, reason = "kubectl judges the certificates of this test by the real time")]
        jiff::Timestamp::now()
    }
}

pub struct Cluster {
    pub server: Arc<ApiServer>,
    pub registry: Arc<Registry>,
    pub authority: Authority,
    pub clock: Arc<dyn Clock>,
    _directory: tempfile::TempDir,
}

/// What a test wants otherwise.
pub struct Setup {
    pub store: Arc<dyn Store>,
    pub limits: Limits,
    pub cache: sampan_store::cache::Options,
    pub audit: Option<Arc<Audit>>,
    pub providers: Vec<Arc<sampan_access::oidc::Provider>>,
}

impl Default for Setup {
    fn default() -> Self {
        let store = Arc::new(MemoryStore::new(Arc::new(WallClock)));
        Self { store, limits: Limits::default(), cache: Default::default(), audit: None, providers: Vec::new() }
    }
}

/// The real chain, and a panic for objects named `explode`.
struct Explosive(Chain);

impl Admission for Explosive {
    fn mutate<'a>(
        &'a self,
        request: &'a AdmissionRequest<'a>,
        object: &'a mut Value,
    ) -> BoxFuture<'a, Result<(), Status>> {
        assert_ne!(object["metadata"]["name"], "explode", "an object explodes");
        self.0.mutate(request, object)
    }

    fn validate<'a>(
        &'a self,
        request: &'a AdmissionRequest<'a>,
        object: &'a Value,
    ) -> BoxFuture<'a, Result<(), Status>> {
        self.0.validate(request, object)
    }
}

impl Cluster {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with_limits(limits: Limits) -> Self {
        Self::with(Setup { limits, ..Setup::default() }).await
    }

    pub async fn with(setup: Setup) -> Self {
        let Setup { store, limits, cache, audit, providers } = setup;
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let directory = tempfile::tempdir().unwrap();
        let options = sampan_registry::Options {
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            service_network: ("127.150.0.0".parse().unwrap(), 16),
            node_ports: 30000..=32767,
            cache,
        };
        let registry = Registry::open(store, options).await.unwrap();
        for object in bootstrap::objects() {
            registry.ensure(object).await.unwrap();
        }
        let authority = Authority::open(directory.path(), Arc::clone(&clock), Arc::clone(&entropy)).unwrap();
        let lister: Arc<dyn Lister> = registry.clone();
        let tokens = token::Issuer::new(
            authority.token_key(),
            token::Options::default(),
            Arc::clone(&lister),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let tokens = Arc::new(tokens);
        let roots = vec![authority.certificate().clone()];
        let authenticator = Authenticator::new(roots.clone(), tokens.clone(), lister.clone(), Arc::clone(&clock));
        let authenticator = authenticator.with_providers(providers, Vec::new());
        let authorizer = Arc::new(Authorizer::new(Arc::clone(&lister)));
        let admission = Chain::new(admission::Context {
            lister: Arc::clone(&lister),
            authorizer: authorizer.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            writer: registry.clone(),
        });
        let webhooks = Arc::new(HttpsWebhooks::new(registry.weak_lister(), Arc::clone(&clock), Vec::new()));
        registry.convert_through(webhooks.clone());
        let admission = admission.with_webhooks(webhooks);
        let node_client = sampan_access::pki::client_config(&roots, None, Arc::clone(&clock)).unwrap();
        let options = Options {
            registry: registry.clone(),
            authenticator: Arc::new(authenticator),
            authorizer,
            admission: Arc::new(Explosive(admission)),
            tokens,
            clock: Arc::clone(&clock),
            entropy,
            version: Version::default(),
            node_client: Some(Arc::new(node_client)),
            limits,
        };
        let server = ApiServer::audited(options, audit);
        Self { server, registry, authority, clock, _directory: directory }
    }

    /// Asks as a member of `system:masters`.
    pub async fn ask(&self, request: &str) -> Reply {
        self.ask_as(&admin(), request).await
    }

    /// `METHOD PATH`, then header lines, then an empty line and a body: `POST /x\nContent-Type: a/b\n\n{}`.
    pub async fn ask_as(&self, user: &User, request: &str) -> Reply {
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let mut lines = head.lines();
        let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
        let mut builder = Request::builder().method(method).uri(path);
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            builder = builder.header(name, value);
        }
        self.send(user, builder.body(Full::from(body.to_owned())).unwrap()).await
    }

    pub async fn send(&self, user: &User, request: Request<Full<Bytes>>) -> Reply {
        let response = self.server.service_as(user.clone()).call(request).await.unwrap();
        let (head, body) = response.into_parts();
        Reply { code: head.status.as_u16(), headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// Begins a watch or a log: the answer's body comes in pieces.
    pub async fn open(&self, path: &str) -> Stream {
        self.open_with(path, HeaderMap::new()).await
    }

    pub async fn open_with(&self, path: &str, headers: HeaderMap) -> Stream {
        let mut request = Request::get(path).body(Full::<Bytes>::default()).unwrap();
        *request.headers_mut() = headers;
        let response = self.server.service_as(admin()).call(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        Stream { body: response.into_body(), pending: Vec::new() }
    }

    pub async fn create(&self, path: &str, object: Value) -> Value {
        let reply = self.ask(&format!("POST {path}\n\n{object}")).await;
        assert_eq!(reply.code, 201, "{}", reply.text());
        reply.json()
    }
}

pub fn admin() -> User {
    User::new("admin", [MASTERS])
}

pub struct Reply {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn warnings(&self) -> Vec<&str> {
        self.headers.get_all("warning").iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// Code, reason and message of a failure.
    pub fn failure(&self) -> String {
        let status = self.json();
        assert_eq!(status["kind"], "Status", "{status}");
        assert_eq!(status["code"], self.code, "{status}");
        format!(
            "{} {} {}",
            self.code,
            status["reason"].as_str().unwrap_or_default(),
            status["message"].as_str().unwrap_or_default()
        )
    }
}

/// A body that goes on.
pub struct Stream {
    body: Body,
    pending: Vec<u8>,
}

impl Stream {
    /// The next line as JSON; `None` at the end.
    pub async fn event(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let piece = self.piece().await?;
            self.pending.extend_from_slice(&piece);
        }
    }

    /// `TYPE name@version` of the next event.
    pub async fn told(&mut self) -> String {
        let Some(event) = self.event().await else { return "END".to_owned() };
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
        format!("{} {name}", event["type"].as_str().unwrap())
    }

    /// The next bytes as they come.
    pub async fn piece(&mut self) -> Option<Bytes> {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(30), self.body.frame()).await;
        frame.expect("nothing came for 30 s").map(|frame| frame.unwrap().into_data().unwrap())
    }
}

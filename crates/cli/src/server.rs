//! The server: store, registry, access, API, scheduler, controllers and the embedded OCI registry, each given what it needs.

mod audit;
mod authentication;
mod bootstrap;
mod controllers;
pub(crate) mod encryption;
mod scheduler;
mod store;
mod target;
mod tracing_config;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use sampan_access::pki::{self, Clients, Identity, LiveCertificate, Subject};
use sampan_access::{Authenticator, Authority, Authorizer, Chain, admission, kubeconfig, token};
use sampan_api::request::User;
use sampan_apiserver::{ApiServer, Audit, FrontProxy, HttpsWebhooks, Limits, Version};
use sampan_client::Client;
use sampan_registry::Registry;
use sampan_store::Store;
use tokio::net::TcpListener;

use crate::addresses::ServiceRange;
use crate::arguments;
use crate::certificates;
use crate::layout::{Layout, Lock, write_atomically};
use crate::oci::EmbeddedRegistry;
use crate::outside::{Outside, host_name};
use crate::parts::{Hint, Parts};
use crate::version;

/// Everything of a server that others in this process build on.
pub(crate) struct Server {
    pub(crate) layout: Layout,
    pub(crate) authority: Arc<Authority>,
    /// Vouches for this server where it passes requests on to extension servers.
    pub(crate) front_proxy: Arc<Authority>,
    pub(crate) url: String,
    pub(crate) oci: EmbeddedRegistry,
    registry: Arc<Registry>,
    api: Arc<ApiServer>,
    outside: Outside,
    _lock: Lock,
    _range: ServiceRange,
}

/// `sampan server`
pub(crate) async fn run(options: arguments::Server) -> Result<()> {
    let mut parts = Parts::new();
    let server = Server::start(&options, &mut parts, Outside::real()).await?;
    server.say_ready();
    parts.until_stopped().await
}

impl Server {
    /// Opens the state, starts every part of a server and returns once the API answers.
    pub(crate) async fn start(options: &arguments::Server, parts: &mut Parts, outside: Outside) -> Result<Self> {
        let profiles = scheduler::profiles(options.scheduler_config.as_deref())?;
        let layout = Layout::create(&options.data.data_dir)?;
        let lock = layout.lock()?;
        let authority = Authority::open(&layout.pki(), outside.clock.clone(), outside.entropy.clone());
        let authority = Arc::new(authority.context("failed to open the cluster's certificate authority")?);
        let front_proxy = layout.pki().join("front-proxy");
        let front_proxy =
            Authority::open_as("sampan-front-proxy", &front_proxy, outside.clock.clone(), outside.entropy.clone());
        let front_proxy = Arc::new(front_proxy.context("failed to open the certificate authority of the front proxy")?);
        let listener = listen(options.api_port, "--api-port").await?;
        let port = listener.local_addr()?.port();
        let store = store::open(options, &layout, &outside).await?;
        let range = match store.cluster_address().await? {
            Some(kubernetes) => ServiceRange::join(&layout, kubernetes)?,
            None => ServiceRange::claim(&layout, port)?,
        };
        let registry = open_registry(store.store.clone(), &range, &outside).await?;
        let to_nodes = ("apiserver-kubelet-client", Subject::kubelet_api_client());
        let to_nodes = certificates::keep_shown(parts, &authority, &outside, to_nodes)?;
        let audit = audit::open(&options.audit, &layout, &outside)?;
        let api = assemble(registry.clone(), &authority, to_nodes, audit.clone(), options, &outside)?;
        if let Some(path) = &options.tracing_config_file {
            api.trace(tracing_config::open(path, &outside)?);
        }
        let url = format!("https://127.0.0.1:{port}");
        let oci = EmbeddedRegistry::bind(&layout, registry_port(options, port), outside.entropy.as_ref()).await?;
        let server =
            Self { layout, authority, front_proxy, url, oci, registry, api, outside, _lock: lock, _range: range };
        server.serve(listener, audit, parts)?;
        bootstrap::run(&server, (server._range.kubernetes(), port)).await?;
        server.aggregate(parts)?;
        server.start_parts(&options.controllers, profiles, parts)?;
        server.keep_kubeconfig(parts)?;
        store.reseal(parts);
        store.watch_services(&server.api, parts);
        Ok(server)
    }

    /// A client in this process that acts as `user`.
    pub(crate) fn client_as(&self, user: User) -> Client {
        sampan_client::in_process(self.api.service_as(user), "default")
    }

    /// A client of the person who started this process.
    pub(crate) fn admin(&self) -> Client {
        self.client_as(User::new("sampan:admin", ["system:masters"]))
    }

    pub(crate) fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Tells on standard output that everything runs and how to speak to it.
    #[expect(clippy::print_stdout, reason = "this is what the user asked for")]
    pub(crate) fn say_ready(&self) {
        println!("Sampan is ready: {}", self.url);
        println!("  export KUBECONFIG={}", self.layout.kubeconfig().display());
    }

    fn serve(&self, listener: TcpListener, audit: Option<Arc<Audit>>, parts: &mut Parts) -> Result<()> {
        let names = [host_name(), self._range.kubernetes().to_string()];
        let subject = ("apiserver", Subject::api_server(&names));
        let certificate = certificates::keep_shown(parts, &self.authority, &self.outside, subject)?;
        let clients = Clients::May(vec![self.authority.certificate().clone()]);
        let tls = pki::server_config(certificate, &clients, self.outside.clock.clone())?;
        let (api, stop) = (self.api.clone(), parts.stop());
        parts.start("API server", async move {
            let served = api.serve(listener, tls, stop).await;
            if let Some(audit) = audit {
                audit.flush().await;
            }
            Ok(served?)
        });
        Ok(())
    }

    /// Lets extension servers be asked, and keeps the APIServices.
    fn aggregate(&self, parts: &mut Parts) -> Result<()> {
        let shown = ("apiserver-front-proxy-client", Subject::front_proxy());
        let certificate = certificates::keep_shown(parts, &self.front_proxy, &self.outside, shown)?;
        let front_proxy = FrontProxy { certificate, roots: rustls_native_certs::load_native_certs().certs };
        let (api, stop) = (self.api.clone(), parts.stop());
        parts.start("aggregation", async move {
            api.aggregate(front_proxy, stop).await;
            Ok(())
        });
        Ok(())
    }

    fn start_parts(
        &self,
        options: &arguments::ControllerManager,
        profiles: Vec<sampan_scheduler::Profile>,
        parts: &mut Parts,
    ) -> Result<()> {
        let scheduler = sampan_scheduler::Options {
            client: self.client_as(User::new("system:kube-scheduler", [""; 0])),
            profiles,
            clock: self.outside.clock.clone(),
            entropy: self.outside.entropy.clone(),
        };
        let stop = parts.stop();
        parts.start("scheduler", async move {
            sampan_scheduler::Scheduler::run(scheduler, stop).await;
            Ok(())
        });
        controllers::start(self, options, parts)?;
        self.oci.serve(parts)
    }

    /// Makes Service `default/kubernetes` lead to this server.
    async fn publish(&self, (service, port): (Ipv4Addr, u16)) -> Result<()> {
        let endpoint = (Ipv4Addr::LOCALHOST, port).into();
        let address = sampan_apiserver::Address { cluster_ip: IpAddr::V4(service), endpoint };
        let published = sampan_apiserver::publish(&self.registry, address).await;
        published.context("failed to publish the service default/kubernetes")
    }

    /// Leaves the administrator's kubeconfig in the data directory, and another one there before its certificate ends.
    fn keep_kubeconfig(&self, parts: &mut Parts) -> Result<()> {
        let (url, authority_pem) = (self.url.clone(), self.authority.certificate_pem().to_owned());
        let path = self.layout.kubeconfig();
        let write = move |admin: &Identity| {
            let credentials = kubeconfig::Credentials::Certificate(admin);
            let text =
                kubeconfig::Kubeconfig { name: "sampan", server: &url, authority_pem: &authority_pem, credentials };
            write_atomically(&path, text.to_yaml().as_bytes(), 0o600)
        };
        certificates::keep_issued(parts, &self.authority, &self.outside, ("admin", Subject::admin()), write)
    }
}

/// A time as Kubernetes' configurations write it: `30s`, `1m30s`, `500ms`.
fn duration(text: &str) -> Result<Duration> {
    let span: jiff::SignedDuration = text.parse()?;
    Ok(Duration::try_from(span)?)
}

fn registry_port(options: &arguments::Server, api_port: u16) -> u16 {
    // Next to the API's port, so that the second cluster on a machine finds its own without being told; free choice begets free choice.
    let beside = if options.api_port == 0 { 0 } else { api_port.saturating_add(1) };
    options.registry_port.unwrap_or(beside)
}

async fn listen(port: u16, flag: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    bound
        .with_context(|| {
            Hint(format!("stop what listens there, or choose another port with {flag} (0 takes a free one)"))
        })
        .with_context(|| format!("failed to listen on 127.0.0.1:{port}"))
}

async fn open_registry(store: Arc<dyn Store>, range: &ServiceRange, outside: &Outside) -> Result<Arc<Registry>> {
    let options = sampan_registry::Options {
        clock: outside.clock.clone(),
        entropy: outside.entropy.clone(),
        service_network: (IpAddr::V4(range.base), 16),
        node_ports: 30_000..=32_767,
        cache: Default::default(),
    };
    Registry::open(store, options).await.context("failed to load the cluster's objects")
}

fn assemble(
    registry: Arc<Registry>,
    authority: &Arc<Authority>,
    to_nodes: Arc<LiveCertificate>,
    audit: Option<Arc<Audit>>,
    options: &arguments::Server,
    outside: &Outside,
) -> Result<Arc<ApiServer>> {
    let (clock, entropy) = (outside.clock.clone(), outside.entropy.clone());
    let tokens = token::Issuer::new(
        authority.token_key(),
        token::Options::default(),
        registry.clone(),
        clock.clone(),
        entropy.clone(),
    );
    let tokens = Arc::new(tokens);
    let authorizer = Arc::new(Authorizer::new(registry.clone()));
    let admission = admission::Context {
        lister: registry.clone(),
        authorizer: authorizer.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        writer: registry.clone(),
    };
    let trusted = rustls_native_certs::load_native_certs().certs;
    let webhooks = Arc::new(HttpsWebhooks::new(registry.weak_lister(), clock.clone(), trusted.clone()));
    registry.convert_through(webhooks.clone());
    let mut chain = Chain::new(admission).with_webhooks(webhooks);
    if options.enable_admission_plugins.iter().any(|name| name == "DenyServiceExternalIPs") {
        chain = chain.denying_service_external_ips();
    }
    let roots = vec![authority.certificate().clone()];
    let authenticator = Authenticator::new(roots.clone(), tokens.clone(), registry.clone(), clock.clone());
    let options = sampan_apiserver::Options {
        authenticator: Arc::new(
            authenticator.with_providers(authentication::providers(&options.authentication)?, trusted),
        ),
        authorizer,
        admission: Arc::new(chain),
        tokens,
        version: Version { git_version: version::kubelet(), ..Version::default() },
        node_client: Some(Arc::new(pki::live_client_config(&roots, to_nodes, clock.clone())?)),
        limits: Limits::default(),
        registry,
        clock,
        entropy,
    };
    Ok(ApiServer::audited(options, audit))
}

//! A node of a cluster: the agent, its runtimes, its network and its service proxy.

mod authorize;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use sampan_access::Authority;
use sampan_access::pki::{self, Clients, LiveCertificate, Subject};
use sampan_client::Client;
use sampan_containers::{CgroupConfig, CriRuntime};
use sampan_network::{LoopbackNetwork, Proxy, proxy};
use sampan_node::{Agent, Api, Config, Eviction, EvictionFlags, LogLimits, Shutdown};
use sampan_runtime::{Credentials, Runtime};
use sampan_wasm::{Mirror, WasmRuntime};

use crate::addresses::NodeRange;
use crate::arguments;
use crate::certificates;
use crate::containers;
use crate::layout::Layout;
use crate::oci;
use crate::outside::{Outside, capacity, host_dns, host_name, system};
use crate::parts::Parts;

/// What makes a node part of a cluster.
pub(crate) struct Membership {
    /// As `system:node:NAME`.
    pub(crate) client: Client,
    /// As `system:kube-proxy`.
    pub(crate) proxy: Client,
    /// The certificate of the node's own API, once its addresses are known.
    pub(crate) serving: Serving,
    /// The cluster's own registry, when it has one.
    pub(crate) registry: Option<Credentials>,
}

/// Where the certificate of the node's own API comes from.
pub(crate) enum Serving {
    /// From the authority in this process.
    Authority(Arc<Authority>),
    /// From the server, asked with a signing request.
    Requested(Box<crate::join::Member>),
}

impl Serving {
    pub(crate) fn issued_by(authority: &Arc<Authority>) -> Self {
        Self::Authority(authority.clone())
    }

    /// The certificate, kept renewed, and whom the node's clients are vouched for by.
    async fn certificate(
        &self,
        name: &str,
        address: IpAddr,
        outside: &Outside,
        parts: &mut Parts,
    ) -> Result<(Arc<LiveCertificate>, rustls::pki_types::CertificateDer<'static>)> {
        let names = [name.to_owned(), address.to_string()];
        match self {
            Self::Authority(authority) => {
                let subject = Subject::node_server(name, &names);
                let shown = certificates::keep_shown(parts, authority, outside, ("node-server", subject))?;
                Ok((shown, authority.certificate().clone()))
            }
            Self::Requested(member) => member.serving(&names, parts).await,
        }
    }
}

/// The node's name, from the flag or the machine.
pub(crate) fn name(options: &arguments::Node) -> String {
    options.node_name.clone().unwrap_or_else(host_name)
}

/// A started node, for whoever wants to take it down.
pub(crate) struct Node {
    wasm: Arc<WasmRuntime>,
    containers: Option<Arc<CriRuntime>>,
}

impl Node {
    /// Ends what still runs in sandboxes. Without it pods outlive the process, which is what a restart of an agent wants.
    pub(crate) async fn end_pods(&self) {
        self.wasm.shutdown().await;
        if let Some(runtime) = &self.containers
            && let Err(error) = containers::end(runtime).await
        {
            tracing::warn!(%error, "containers go on: they could not be ended");
        }
    }
}

/// When pods have to go, from the flags.
fn eviction(options: &arguments::Node, layout: &Layout) -> Result<Eviction> {
    let arguments::Eviction { hard, soft, soft_grace_period, minimum_reclaim, transition_period, max_pod_grace_period } =
        &options.eviction;
    let flags = EvictionFlags { hard, soft, soft_grace: soft_grace_period, reclaim: minimum_reclaim };
    Ok(Eviction {
        thresholds: Eviction::thresholds(flags).map_err(anyhow::Error::msg).context("bad --eviction flags")?,
        transition: Duration::from_secs(*transition_period),
        most_grace: Duration::from_secs(*max_pod_grace_period),
        images: layout.wasm(),
        local_limits: true,
    })
}

/// Starts every part of a node.
pub(crate) async fn start(
    options: &arguments::Node,
    layout: &Layout,
    membership: Membership,
    outside: Outside,
    parts: &mut Parts,
) -> Result<Node> {
    let name = name(options);
    let range = NodeRange::claim(layout, starting_point(layout))?;
    let address = IpAddr::V4(range.node());
    let network = LoopbackNetwork::open(layout.pod_addresses(), range.base);
    let network = network
        .with_context(|| format!("failed to read the pods' addresses below {}", layout.pod_addresses().display()))?;
    let (certificate, authority) = membership.serving.certificate(&name, address, &outside, parts).await?;
    let tls = pki::server_config(certificate, &Clients::May(vec![authority]), outside.clock.clone())?;
    let api = Api {
        listener: tokio::net::TcpListener::from_std(range.listener)?,
        tls,
        authorizer: Arc::new(authorize::BySubjectAccessReview::new(membership.client.clone(), name.clone())),
    };
    let wasm = wasm(options, layout, &membership.registry, &outside).await?;
    // Nodes of several clusters on one machine may well have one name; directories they do not share.
    let owner = format!("{name} in {}", layout.node().display());
    let containers = containers::runtime(
        options.containerd.as_deref(),
        cgroups(options),
        layout.archives(),
        &owner,
        &membership.registry,
    )
    .await;
    let mut runtimes: Vec<Arc<dyn Runtime>> = vec![wasm.clone()];
    // Last, for it takes any image.
    runtimes.extend(containers.clone().map(|runtime| runtime as Arc<dyn Runtime>));
    let config = Config {
        node_name: name.clone(),
        client: membership.client,
        runtimes,
        network: Arc::new(network),
        data_dir: layout.node(),
        address,
        api: Some(api),
        clock: outside.clock.clone(),
        entropy: outside.entropy.clone(),
        labels: Default::default(),
        capacity: capacity(&layout.wasm(), options.max_pods),
        static_pod_dir: Some(layout.static_pods()),
        cluster_dns: Vec::new(),
        cluster_domain: "cluster.local".into(),
        host_dns: host_dns(),
        plain_http_registries: options.plain_http_registry.clone(),
        logs: LogLimits::default(),
        eviction: eviction(options, layout)?,
        shutdown: Shutdown {
            grace: Duration::from_secs(options.shutdown_grace_period),
            critical: Duration::from_secs(options.shutdown_grace_period_critical_pods),
        },
        system: system(),
    };
    let agent = Agent::new(config);
    let stop = parts.stop();
    parts.start("agent", async move { Ok(agent.run(stop).await?) });
    start_proxy(name, address, membership.proxy, outside, parts);
    Ok(Node { wasm, containers })
}

fn start_proxy(name: String, address: IpAddr, client: Client, outside: Outside, parts: &mut Parts) {
    let node = proxy::LocalNode { name, address };
    let options = proxy::Options { client, node, clock: outside.clock, entropy: outside.entropy };
    let stop = parts.stop();
    parts.start("service proxy", async move {
        Proxy::run(options, stop).await;
        Ok(())
    });
}

async fn wasm(
    options: &arguments::Node,
    layout: &Layout,
    registry: &Option<Credentials>,
    outside: &Outside,
) -> Result<Arc<WasmRuntime>> {
    let own = std::env::current_exe().context("failed to find this program's own file")?;
    let command = |word: &str| vec![own.clone().into_os_string(), word.into()];
    let clock = outside.clock.clone();
    let mirror = registry.clone().map(|credentials| Mirror { host: oci::HOST.into(), endpoint: credentials });
    let config = sampan_wasm::Config {
        data_dir: layout.wasm(),
        sandbox_command: command("sandbox"),
        compile_command: command("compile"),
        plain_http: options.plain_http_registry.clone(),
        registry_authorities: Vec::new(),
        mirrors: mirror.into_iter().collect(),
        limits: sampan_wasm::Limits::default(),
        clock: Arc::new(move || clock.now()),
    };
    let runtime = WasmRuntime::new(config).await;
    runtime.with_context(|| format!("failed to start the Wasm runtime below {}", layout.wasm().display()))
}

/// Spreads nodes that start at once over the ranges, so that they seldom try for the same.
fn starting_point(layout: &Layout) -> u16 {
    let path = layout.node();
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(7, |sum: u16, byte| sum.wrapping_mul(31).wrapping_add(u16::from(*byte)))
}

fn cgroups(options: &arguments::Node) -> CgroupConfig {
    let arguments::Node { cgroup_root, pod_max_pids, .. } = options;
    CgroupConfig { mount: "/sys/fs/cgroup".into(), root: cgroup_root.clone(), pids: *pod_max_pids }
}

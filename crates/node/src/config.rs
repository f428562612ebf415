//! What an agent is told when it is made.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use sampan_client::Client;
use sampan_meta::{Clock, Entropy};
use sampan_runtime::{PodNetwork, Runtime};

use crate::{Eviction, NodeAuthorizer, Shutdown};

/// Everything an agent needs. Nothing is read from flags, environment or the wall clock.
pub struct Config {
    /// The Node object's name.
    pub node_name: String,
    /// How the agent speaks to the apiserver, as `system:node:NAME`.
    pub client: Client,
    /// What runs containers, in the order in which images are offered to them.
    pub runtimes: Vec<Arc<dyn Runtime>>,
    /// What gives pods their addresses.
    pub network: Arc<dyn PodNetwork>,
    /// Where pods, volumes, logs and checkpoints lie. The agent makes it, readable by its own user alone.
    pub data_dir: PathBuf,
    /// The node's own address: `InternalIP` and `hostIP`.
    pub address: IpAddr,
    /// The node's API; `None` serves nothing (simulator).
    pub api: Option<Api>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Labels of the Node beside those it makes itself.
    pub labels: BTreeMap<String, String>,
    /// What the node has.
    pub capacity: Capacity,
    /// A directory of pod manifests to run without a server.
    pub static_pod_dir: Option<PathBuf>,
    /// Name servers for pods with `dnsPolicy: ClusterFirst`.
    pub cluster_dns: Vec<IpAddr>,
    /// The cluster's domain, usually `cluster.local`.
    pub cluster_domain: String,
    /// Name servers and search domains of the machine, for `dnsPolicy: Default`.
    pub host_dns: sampan_runtime::DnsConfig,
    /// Registries (host or host:port) that speak plain HTTP.
    pub plain_http_registries: Vec<String>,
    /// How much of its output each container keeps.
    pub logs: LogLimits,
    /// When pods have to go because the machine runs short.
    pub eviction: Eviction,
    /// What becomes of pods when the agent is told to stop.
    pub shutdown: Shutdown,
    /// What the machine is, for `status.nodeInfo`.
    pub system: System,
}

/// The node's own API.
pub struct Api {
    /// A bound listener, usually on port 10250.
    pub listener: tokio::net::TcpListener,
    /// The server's certificate and how clients prove who they are.
    pub tls: Arc<rustls::ServerConfig>,
    /// Who may do what.
    pub authorizer: Arc<dyn NodeAuthorizer>,
}

/// What the node has for pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of disk.
    pub ephemeral_storage_bytes: u64,
    /// How many pods.
    pub pods: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { cpu_millis: 1000, memory_bytes: 1 << 30, ephemeral_storage_bytes: 10 << 30, pods: 10_000 }
    }
}

/// Bounds on each container's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes before a file is rotated.
    pub max_bytes: u64,
    /// Files kept, the current one included.
    pub max_files: u32,
}

impl Default for LogLimits {
    /// As the kubelet: 10 MiB, five files.
    fn default() -> Self {
        Self { max_bytes: 10 << 20, max_files: 5 }
    }
}

/// What `kubectl describe node` shows of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    /// Version of this agent, shown as the kubelet's: `v1.36.0+sampan.0.1.0`.
    pub version: String,
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// `linux`.
    pub operating_system: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub os_image: String,
    /// `6.1.0`.
    pub kernel_version: String,
    /// From /etc/machine-id.
    pub machine_id: String,
    /// Of the hardware.
    pub system_uuid: String,
    /// Changes with each boot.
    pub boot_id: String,
}

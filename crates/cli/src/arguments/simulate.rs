//! What a simulated cluster is like.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub(crate) struct Simulate {
    /// How many nodes
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) nodes: u32,
    /// How many pods, in Deployments of a thousand
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) pods: u32,
    /// Create the pods themselves, so many a second (0: as fast as they are taken), instead of Deployments
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<u32>,
    /// Apply this manifest instead; what it makes has run once every pod does and nothing has happened for five seconds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pods", "rate", "pod_cpu", "pod_memory"])]
    pub(crate) manifest: Option<PathBuf>,
    /// What a pod requests of a processor
    #[arg(long, default_value = "10m", value_name = "QUANTITY")]
    pub(crate) pod_cpu: String,
    /// What a pod requests of memory
    #[arg(long, default_value = "16Mi", value_name = "QUANTITY")]
    pub(crate) pod_memory: String,
    /// Processors of a node
    #[arg(long, default_value = "8", value_name = "QUANTITY")]
    pub(crate) node_cpu: String,
    /// Memory of a node
    #[arg(long, default_value = "32Gi", value_name = "QUANTITY")]
    pub(crate) node_memory: String,
    /// Pods a node takes
    #[arg(long, default_value_t = 110, value_name = "N")]
    pub(crate) node_pods: u32,
    /// Zones the nodes are in
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) zones: u32,
    /// How long a pod takes to run once its node has it
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    pub(crate) start_millis: u64,
    /// Where objects are stored: `memory`, `sqlite` (with all its fsyncs), or a URL `postgres://…`
    #[arg(long, default_value = "memory", value_name = "STORE")]
    pub(crate) store: String,
    /// How pods are scheduled, a KubeSchedulerConfiguration
    #[arg(long, value_name = "FILE")]
    pub(crate) scheduler_config: Option<PathBuf>,
    /// Keep the audit log that a server keeps by default
    #[arg(long)]
    pub(crate) audit_log: bool,
    /// How long the pods may take
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    pub(crate) timeout_seconds: u64,
    /// Directory for the server's state; a temporary one when not given
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

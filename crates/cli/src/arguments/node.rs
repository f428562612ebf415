//! What a node is told.

use clap::Args;

#[derive(Args)]
pub(crate) struct Node {
    /// The node's name; the machine's name when not given
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// How many pods the node takes
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub(crate) max_pods: u32,
    /// Registries (HOST or HOST:PORT) that speak plain HTTP, besides those on this machine
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub(crate) plain_http_registry: Vec<String>,
    /// containerd's socket, for pods with container images; when not given, /run/containerd/containerd.sock if one answers there, and
    /// with `none` not even that
    #[arg(long, value_name = "SOCKET")]
    pub(crate) containerd: Option<String>,
    /// The control group below which pods of containers get theirs
    #[arg(long, default_value = "/", value_name = "GROUP")]
    pub(crate) cgroup_root: String,
    /// Most processes and threads of a pod of containers; unlimited when not given
    #[arg(long, value_name = "N")]
    pub(crate) pod_max_pids: Option<u64>,
    /// Seconds in which pods end before the process does when it is told to stop, because the machine goes down; 0 leaves them running
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub(crate) shutdown_grace_period: u64,
    /// The part of those seconds that critical pods have for themselves, after all others
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub(crate) shutdown_grace_period_critical_pods: u64,
    #[command(flatten)]
    pub(crate) eviction: Eviction,
}

/// When pods have to go because the machine runs short. Names and meanings are the kubelet's; the disk thresholds by default are amounts,
/// not parts, since most machines this runs on have large disks that are mostly full.
#[derive(Args)]
pub(crate) struct Eviction {
    /// The least there has to be; with less, a pod goes at once: memory.available, nodefs.available, nodefs.inodesFree, imagefs.available,
    /// imagefs.inodesFree, pid.available; empty for never
    #[arg(
        long = "eviction-hard",
        default_value = "memory.available<100Mi,nodefs.available<256Mi,imagefs.available<256Mi,nodefs.inodesFree<1%",
        value_name = "SIGNAL<AMOUNT,…"
    )]
    pub(crate) hard: String,
    /// The least there should be; with less for its grace period, a pod goes
    #[arg(long = "eviction-soft", default_value = "", value_name = "SIGNAL<AMOUNT,…")]
    pub(crate) soft: String,
    /// How long there may be less than `--eviction-soft` says: memory.available=1m30s
    #[arg(long = "eviction-soft-grace-period", default_value = "", value_name = "SIGNAL=TIME,…")]
    pub(crate) soft_grace_period: String,
    /// How much more than the least there has to be before no more pods go
    #[arg(long = "eviction-minimum-reclaim", default_value = "", value_name = "SIGNAL=AMOUNT,…")]
    pub(crate) minimum_reclaim: String,
    /// Seconds for which a pressure is reported after it was seen last
    #[arg(long = "eviction-pressure-transition-period", default_value_t = 300, value_name = "SECONDS")]
    pub(crate) transition_period: u64,
    /// The longest a pod has, in seconds, when a soft threshold is met
    #[arg(long = "eviction-max-pod-grace-period", default_value_t = 0, value_name = "SECONDS")]
    pub(crate) max_pod_grace_period: u64,
}

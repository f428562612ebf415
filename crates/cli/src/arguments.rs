//! The command line: what can be asked for, in the words of `--help`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Kubernetes for Wasm pods and containers, in one binary.
#[derive(Parser)]
#[command(name = "sampan", version, about, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What to log on standard error: error, warn, info, debug, or per part (`info,sampan_node=debug`)
    #[arg(long, global = true, env = "SAMPAN_LOG", default_value = "warn", value_name = "FILTER")]
    pub(crate) log: String,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start everything in this process: server, node and registry
    Up(Up),
    /// Start the server alone: API, scheduler, controllers, registry
    Server(Server),
    /// Start a node that joins a server
    Agent(Agent),
    /// Run a Wasm file on a running cluster: pushes it and makes a Deployment and a Service
    Run(Run),
    /// Push a Wasm file as an OCI artifact, to the cluster's own registry or to any other
    Push(Push),
    /// Say what this machine offers pods, and what to do about what is missing
    Doctor(Doctor),
    /// Manage the tokens nodes join with
    Token {
        #[command(subcommand)]
        command: Token,
    },
    /// Manage the keys that Secrets are encrypted with in the store
    Secrets {
        #[command(subcommand)]
        command: Secrets,
    },
    /// A process that runs Wasm guests for the agent
    #[command(hide = true)]
    Sandbox(Rest),
    /// A process that compiles one Wasm artifact for the agent
    #[command(hide = true)]
    Compile(Rest),
}

/// Arguments passed on as they are.
#[derive(Args)]
pub(crate) struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<std::ffi::OsString>,
}

/// Where a process keeps its state.
#[derive(Args, Clone)]
pub(crate) struct Data {
    /// Directory for all state; made when missing
    #[arg(long, env = "SAMPAN_DATA_DIR", default_value = ".sampan", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) node: Node,
    /// Push the components of this directory to the embedded registry and apply its manifest once everything runs
    #[arg(long, value_name = "DIR")]
    pub(crate) demo: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Server {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Port of the API on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 6443, value_name = "N")]
    pub(crate) api_port: u16,
    /// Port of the embedded OCI registry on 127.0.0.1; the API's port plus one when not given
    #[arg(long, value_name = "N")]
    pub(crate) registry_port: Option<u16>,
    /// Where objects are stored: `sqlite` (below the data directory), `memory`, or a URL `postgres://…`
    #[arg(long, env = "SAMPAN_STORE", default_value = "sqlite", value_name = "STORE")]
    pub(crate) store: String,
    /// Keys to encrypt Secrets (or more) with in the store, an EncryptionConfiguration; `pki/encryption.yaml` of the data directory,
    /// made at the first start, when not given. Servers that share a store need the same one
    #[arg(long, value_name = "FILE")]
    pub(crate) encryption_provider_config: Option<PathBuf>,
    /// Admission plugins beyond those that are always on, as kube-apiserver has them
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = ["DenyServiceExternalIPs"])]
    pub(crate) enable_admission_plugins: Vec<String>,
    #[command(flatten)]
    pub(crate) audit: AuditLog,
}

/// What is logged of the API's requests. Names and meanings are kube-apiserver's.
#[derive(Args)]
pub(crate) struct AuditLog {
    /// What to log, a Policy of audit.k8s.io/v1; when not given, metadata of everything but the cluster's own routine
    #[arg(long, alias = "audit-policy", value_name = "FILE")]
    pub(crate) audit_policy_file: Option<PathBuf>,
    /// Where to log: a file, `-` for standard output, empty for not at all; `audit/audit.log` of the data directory when not given
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_log_path: Option<String>,
    /// Megabytes at which the file is put aside
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub(crate) audit_log_maxsize: u64,
    /// How many files put aside are kept; 0 keeps all
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) audit_log_maxbackup: usize,
    /// How many days files put aside are kept; 0 keeps them for ever
    #[arg(long, default_value_t = 30, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(0..=36_500))]
    pub(crate) audit_log_maxage: u64,
    /// What a request does when the log does not keep up: `blocking` waits, `batch` goes on and its line is lost
    #[arg(long, default_value = "blocking", value_name = "MODE")]
    pub(crate) audit_log_mode: sampan_apiserver::Mode,
}

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

#[derive(Args)]
pub(crate) struct Doctor {
    /// containerd's socket; /run/containerd/containerd.sock when not given
    #[arg(long, value_name = "SOCKET")]
    pub(crate) containerd: Option<String>,
}

#[derive(Args)]
pub(crate) struct Agent {
    #[command(flatten)]
    pub(crate) data: Data,
    /// The server to join: https://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub(crate) server: String,
    /// A token from `sampan token create`; needed for the first start only
    #[arg(long, env = "SAMPAN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) node: Node,
}

/// Which cluster a client command speaks to.
#[derive(Args, Clone)]
pub(crate) struct Cluster {
    /// The cluster's kubeconfig; `kubeconfig` of the data directory when neither this nor KUBECONFIG is given
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Args)]
pub(crate) struct Run {
    /// A Wasm component or core module
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The port it serves on; without one it is expected to run to its end and becomes a Job
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Name of the Deployment and Service (or Job); the file's name when not given
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Namespace to run in
    #[arg(long, short, default_value = "default", value_name = "NAMESPACE")]
    pub(crate) namespace: String,
    /// How many pods
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) replicas: u32,
    /// Environment, NAME=VALUE; may be repeated
    #[arg(long = "env", short, value_name = "NAME=VALUE")]
    pub(crate) environment: Vec<String>,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
    /// Arguments for the component
    #[arg(last = true, value_name = "ARG")]
    pub(crate) arguments: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Push {
    /// A Wasm component or core module
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// NAME:TAG for the cluster's own registry, HOST/NAME:TAG for any other
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,
    /// User name for another registry
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Password for another registry
    #[arg(long, env = "SAMPAN_REGISTRY_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
    /// Speak plain HTTP to the registry; the default for those on this machine
    #[arg(long)]
    pub(crate) plain_http: bool,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}

#[derive(Subcommand)]
pub(crate) enum Token {
    /// Make a token with which nodes can join, and print it
    Create {
        /// How long it holds: 30m, 24h, 7d
        #[arg(long, default_value = "24h", value_name = "TIME")]
        ttl: String,
        #[command(flatten)]
        cluster: Cluster,
    },
}

#[derive(Subcommand)]
pub(crate) enum Secrets {
    /// Make a new key; the server encrypts everything with it when it starts next
    Rotate {
        #[command(flatten)]
        data: Data,
    },
}

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
    /// Measure how many nodes and pods the control plane carries on this machine: real server, simulated nodes, real time
    Simulate(Simulate),
    /// Manage the tokens nodes join with
    Token {
        #[command(subcommand)]
        command: Token,
    },
    /// Copy a cluster's state into one file, while it runs or not
    Backup(Backup),
    /// Make a cluster of a backup, on either store; what is there already is never overwritten
    Restore(Restore),
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
    /// Where to send spans of requests, a TracingConfiguration; when not given, there are none
    #[arg(long, value_name = "FILE")]
    pub(crate) tracing_config_file: Option<PathBuf>,
    /// Admission plugins beyond those that are always on, as kube-apiserver has them
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = ["DenyServiceExternalIPs"])]
    pub(crate) enable_admission_plugins: Vec<String>,
    #[command(flatten)]
    pub(crate) audit: AuditLog,
    #[command(flatten)]
    pub(crate) authentication: Authentication,
}

/// Users whom somebody else knows. Names and meanings are kube-apiserver's.
#[derive(Args)]
pub(crate) struct Authentication {
    /// Whose ID tokens are believed and what they make of their bearers, an AuthenticationConfiguration
    #[arg(long, value_name = "FILE", conflicts_with = "oidc_issuer_url")]
    pub(crate) authentication_config: Option<PathBuf>,
    /// The OpenID Connect issuer whose ID tokens are believed, an https URL
    #[arg(long, value_name = "URL", requires = "oidc_client_id")]
    pub(crate) oidc_issuer_url: Option<String>,
    /// Whom those tokens have to be for
    #[arg(long, value_name = "ID", requires = "oidc_issuer_url")]
    pub(crate) oidc_client_id: Option<String>,
    /// The claim that is the user name
    #[arg(long, value_name = "CLAIM", default_value = "sub")]
    pub(crate) oidc_username_claim: String,
    /// What comes before it; `-` for nothing; the issuer and `#` when not given, unless the claim is `email`
    #[arg(long, value_name = "PREFIX", allow_hyphen_values = true, default_value = "")]
    pub(crate) oidc_username_prefix: String,
    /// The claim that is the groups
    #[arg(long, value_name = "CLAIM", default_value = "")]
    pub(crate) oidc_groups_claim: String,
    /// What comes before each group
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub(crate) oidc_groups_prefix: String,
    /// A claim the token must have with this value; may be given several times
    #[arg(long, value_name = "CLAIM=VALUE", value_delimiter = ',')]
    pub(crate) oidc_required_claim: Vec<String>,
    /// Who vouches for the issuer's server; whom the machine trusts when not given
    #[arg(long, value_name = "FILE")]
    pub(crate) oidc_ca_file: Option<PathBuf>,
    /// The algorithms tokens may be signed with
    #[arg(long, value_name = "ALG", value_delimiter = ',', default_value = "RS256")]
    pub(crate) oidc_signing_algs: Vec<String>,
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
    #[command(flatten)]
    pub(crate) webhook: AuditWebhook,
}

/// Whom the same is told besides. Names, meanings and defaults are kube-apiserver's.
#[derive(Args)]
pub(crate) struct AuditWebhook {
    /// A kubeconfig that says where to send audit events, and as whom
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_webhook_config_file: Option<PathBuf>,
    /// How long to wait before a list that did not arrive is sent again; each further pause is longer
    #[arg(long, default_value = "10s", value_name = "TIME")]
    pub(crate) audit_webhook_initial_backoff: String,
    /// Events that may wait; those that come when it is full are lost, and counted in apiserver_audit_error_total
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub(crate) audit_webhook_batch_buffer_size: usize,
    /// Events in a list at most
    #[arg(long, default_value_t = 400, value_name = "N")]
    pub(crate) audit_webhook_batch_max_size: usize,
    /// How long the first event of a list waits for others
    #[arg(long, default_value = "30s", value_name = "TIME")]
    pub(crate) audit_webhook_batch_max_wait: String,
    /// Whether lists are held back when there are too many
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub(crate) audit_webhook_batch_throttle_enable: bool,
    /// Lists a second at most
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    pub(crate) audit_webhook_batch_throttle_qps: f64,
    /// Lists that may go at once after a pause
    #[arg(long, default_value_t = 15, value_name = "N")]
    pub(crate) audit_webhook_batch_throttle_burst: u32,
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
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// containerd's socket; /run/containerd/containerd.sock when not given
    #[arg(long, value_name = "SOCKET")]
    pub(crate) containerd: Option<String>,
}

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

#[derive(Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Where the server stores objects: `sqlite` (below the data directory), or a URL `postgres://…`
    #[arg(long, env = "SAMPAN_STORE", default_value = "sqlite", value_name = "STORE")]
    pub(crate) store: String,
    /// The file to write, for its owner alone: it holds the cluster's keys and the keys of its Secrets
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The keys Secrets are encrypted with, if the server was given them by this flag
    #[arg(long, value_name = "FILE")]
    pub(crate) encryption_provider_config: Option<PathBuf>,
    /// Leave out what was pushed to the embedded registry
    #[arg(long)]
    pub(crate) without_images: bool,
}

#[derive(Args)]
pub(crate) struct Restore {
    /// What `sampan backup` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Where the server is to store objects: `sqlite` (below the data directory), or the URL `postgres://…` of an empty database
    #[arg(long, env = "SAMPAN_STORE", default_value = "sqlite", value_name = "STORE")]
    pub(crate) store: String,
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

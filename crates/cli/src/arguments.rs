//! The command line: what can be asked for, in the words of `--help`.

mod node;
mod server;
mod simulate;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use node::*;
pub(crate) use server::*;
pub(crate) use simulate::*;

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
    Up(Box<Up>),
    /// Start the server alone: API, scheduler, controllers, registry
    Server(Box<Server>),
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

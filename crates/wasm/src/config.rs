//! What the runtime is told at its start. Everything comes from `cli`; nothing is read from the environment.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where things lie, how child processes are started, and what bounds them.
#[derive(Clone)]
pub struct Config {
    /// Directory of this runtime alone: images, compiled code, sandboxes. Made when missing, mode 0700.
    pub data_dir: PathBuf,
    /// How to start a sandbox process: program and leading arguments, for example `["/usr/bin/sampan", "sandbox"]`. The program must
    /// pass its further arguments to [`crate::sandbox::main`].
    pub sandbox_command: Vec<OsString>,
    /// How to start a compile child, for example `["/usr/bin/sampan", "compile"]`; must end in [`crate::compile::main`].
    pub compile_command: Vec<OsString>,
    /// Registries (host or host:port) that speak plain HTTP, besides those on loopback addresses.
    pub plain_http: Vec<String>,
    /// Certificate authorities (PEM) that registries may be signed by, besides those the node trusts.
    pub registry_authorities: Vec<Vec<u8>>,
    /// Registries known by another name than their address.
    pub mirrors: Vec<Mirror>,
    /// Bounds.
    pub limits: Limits,
    /// The wall clock.
    pub clock: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
}

/// A registry that images call by a name of the cluster's own, wherever it listens.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The host in image references.
    pub host: String,
    /// Where it listens (HOST:PORT) and how to pull from it.
    pub endpoint: sampan_runtime::Credentials,
}

/// Bounds of what images and child processes may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest manifest or image configuration in bytes.
    pub manifest_bytes: u64,
    /// Largest layer in bytes.
    pub layer_bytes: u64,
    /// Address space of a compile child in bytes.
    pub compile_memory_bytes: u64,
    /// How long one compilation may take.
    pub compile_time: Duration,
    /// How long one registry request may be silent.
    pub registry_timeout: Duration,
    /// How long a sandbox process without pods lives on, so that a restarted pod finds it warm.
    pub sandbox_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            manifest_bytes: 4 << 20,
            layer_bytes: 256 << 20,
            compile_memory_bytes: 4 << 30,
            compile_time: Duration::from_secs(300),
            registry_timeout: Duration::from_secs(30),
            sandbox_idle: Duration::from_secs(30),
        }
    }
}

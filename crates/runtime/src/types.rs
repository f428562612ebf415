//! What a node tells a runtime, and what it hears back. All plain data, serialisable, because runtimes keep it across restarts.

mod container;
mod image;
mod sandbox;

use serde::{Deserialize, Serialize};

pub use container::*;
pub use image::*;
pub use sandbox::*;

/// What a runtime says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// For `status.nodeInfo.containerRuntimeVersion`, for example `wasmtime://48.0.8`.
    pub version: String,
    /// Host interfaces or features offered, for labels and messages, for example `wasi:http/incoming-handler@0.2`.
    pub features: Vec<String>,
}

/// Something happened; list to know what is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The container started, ended or was removed.
    Container {
        /// Its sandbox.
        sandbox: String,
        /// Its id.
        container: String,
    },
    /// The sandbox's process is gone.
    SandboxLost {
        /// Its id.
        sandbox: String,
    },
    /// Some events were dropped.
    Lagged,
}

/// Which question a probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeKind {
    /// Should it be restarted?
    Live,
    /// Should it get traffic?
    Ready,
}

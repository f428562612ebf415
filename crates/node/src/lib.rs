//! The agent of one node: it runs the pods bound to the node and says how they are.
//!
//! [`Agent`] registers the node, keeps its lease, follows the pods with `spec.nodeName` of this node (and the static pods of a
//! directory) and gives each a worker. A worker decides in a pure function ([`pod::plan`]) over what it observed and acts through a
//! [`sampan_runtime::Runtime`]; it owns order, restarts, probes, hooks, volumes and status. The node's own API serves logs, figures and
//! streams.
//!
//! # What it does not do
//! It knows no concrete runtime and no concrete network.
//!
//! # Invariants
//! - The agent acts on its own copy: pods and what they refer to lie below `data_dir`, so a node cut off from its server runs
//!   everything again after a reboot, and a restarted agent takes running containers back without touching them.
//! - Nothing polls: workers wake by watch, runtime event, probe result or the one timer they need next.
//! - A settled pod is written nowhere: status is patched only when it differs from what was written last.
//! - Time and chance are given; timers are tokio's.
#![warn(missing_docs)]

mod agent;
mod blocking;
mod checkpoint;
mod config;
mod context;
mod directories;
mod environment;
mod eviction;
mod images;
mod inotify;
mod local_volumes;
mod log;
mod machine;
pub mod pod;
mod probe;
mod references;
mod registration;
mod runtimes;
mod server;
mod services;
mod shutdown;
mod static_pods;
mod status_writer;
mod tokens;
mod usage;
mod volumes;

#[cfg(test)]
mod testing;

pub use agent::{Agent, AgentError};
pub use config::{Api, Capacity, Config, LogLimits, System};
pub use eviction::{Amount, Eviction, EvictionFlags, Signal, Threshold};
pub use server::authorize::{AllowAll, Caller, NodeAuthorizer, subresource};
pub use shutdown::Shutdown;

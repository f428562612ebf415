//! Ordinary containers: a [`Runtime`](sampan_runtime::Runtime) over the Container Runtime Interface, v1, as containerd serves it.
//!
//! containerd makes sandboxes, their networks (by its CNI configuration), containers and images; this crate says what is wanted and reads
//! what is. Everything goes through one unix socket. What CRI does not tell quickly comes from containerd's own event stream.
//!
//! # What it does not do
//! It pulls nothing itself, writes no container's log and knows no pod: the node does the rest.
//!
//! # Invariants
//! - Nothing is remembered that cannot be found again: ids, configurations and image digests of ours are labels and annotations of
//!   containerd's objects, so an agent that starts anew finds everything by listing.
//! - Sandboxes and containers of others on the same containerd, other Sampan nodes included, are never touched.
//! - Events are hints; a status asked for after one is the truth.
#![warn(missing_docs)]

mod cgroups;
mod client;
mod cri;
mod events;
mod images;
mod logs;
mod names;
mod runtime;
mod streams;
pub mod testing;
mod translate;

pub use cgroups::CgroupConfig;
pub use images::{Mirror, SandboxImage};
pub use runtime::{Config, CriRuntime};

//! The built binary under the hands of real clients: kubectl and curl, as a user would.
//!
//! Every test starts clusters of its own in temporary directories, on ports the kernel chooses, and leaves nothing behind. Waiting is
//! left to `kubectl wait` and `kubectl rollout`, which watch; nothing here sleeps for a fixed time.

mod api;
mod client;
mod cluster;
mod disk;
mod extension;
mod frozen;
pub mod guests;
mod process;
mod programs;
mod registry;
mod requests;
mod servers;
mod split;

pub use api::{Answer, Api};
pub use client::Client;
pub use cluster::{Cluster, Options};
pub use disk::Disk;
pub use extension::{Asked, Extension};
pub use frozen::Frozen;
pub use process::Process;
pub use programs::{Output, curl, run, sampan, target_directory};
pub use registry::DockerRegistry;
pub use requests::Requests;
pub use sampan_store::testing::free_port;
pub use servers::Servers;
pub use split::Split;

use std::path::PathBuf;

/// The root of the checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the checkout this test was built from is there")
}

/// The component of a sample.
pub fn sample(name: &str) -> PathBuf {
    root().join("samples").join(name)
}

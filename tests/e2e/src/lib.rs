//! The built binary under the hands of real clients: kubectl and curl, as a user would.
//!
//! Every test starts clusters of its own in temporary directories, on ports the kernel chooses, and leaves nothing behind. Waiting is
//! left to `kubectl wait` and `kubectl rollout`, which watch; nothing here sleeps for a fixed time.

mod client;
mod cluster;
pub mod guests;
mod process;
mod programs;
mod registry;
mod split;

pub use client::Client;
pub use cluster::{Cluster, Options};
pub use process::{Process, free_port};
pub use programs::{Output, curl, run, sampan, target_directory};
pub use registry::DockerRegistry;
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

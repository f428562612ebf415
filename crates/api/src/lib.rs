//! The kinds Sampan serves: their schema, their defaults, and the types shared by the layers that answer requests.
//!
//! Pure: no I/O, no clock. What is true of every kind is in `meta`; storing, validating and serving are the registry's and the apiserver's.

pub mod amounts;
pub mod cron;
mod defaults;
pub mod local_path;
pub mod node_choice;
pub mod openapi;
pub mod pod;
pub mod quota;
pub mod request;
pub mod taints;
pub mod volume;
pub mod webhook;

pub use defaults::default_object;
/// The typed structs of every built-in kind. Other crates name them through here only, so that the version is chosen in one place.
pub use k8s_openapi as k8s;

use sampan_meta::schema::Schema;
use std::sync::LazyLock;

/// The schema of every kind of Kubernetes 1.36.
pub fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::parse(include_str!("schema.txt")));
    &SCHEMA
}

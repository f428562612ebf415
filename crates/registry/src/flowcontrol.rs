//! `flowcontrol.apiserver.k8s.io`.

mod bootstrap;
pub(crate) mod flow_schema;
pub(crate) mod priority_level_configuration;
mod status;

pub use bootstrap::objects;

const GROUP: (&str, &str) = ("flowcontrol.apiserver.k8s.io", "v1");

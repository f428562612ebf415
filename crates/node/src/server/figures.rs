//! What pods and the machine use, and what the agent does: `/stats/summary`, `/metrics/resource`, `/metrics/cadvisor`, `/metrics`.
//!
//! All of it is found out when somebody asks.

mod agent;
mod cadvisor;
mod page;
mod resource;
mod summary;

use super::Server;
use crate::usage::{self, Container, Pod};

pub(super) use agent::metrics;
pub(super) use cadvisor::metrics as cadvisor;
pub(super) use resource::metrics as resource;
pub(super) use summary::summary;

/// Every pod of the node, measured now, in the order of its names.
async fn pods(server: &Server) -> Vec<Pod> {
    usage::pods(&server.context, &server.workers).await
}

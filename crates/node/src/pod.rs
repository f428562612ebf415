//! One pod's life: what is known of it, what to do next, what to say of it.
//!
//! [`state`] is plain data, [`plan`] and [`status`] are pure functions over it; the worker beside them does what the plan says and
//! writes down what came of it.

pub(crate) mod actions;
pub(crate) mod dns;
pub(crate) mod ending;
pub(crate) mod events;
pub(crate) mod facts;
pub(crate) mod hooks;
mod hosts;
pub(crate) mod jobs;
pub(crate) mod mailbox;
mod plan;
mod resources;
pub(crate) mod restore;
mod sandbox;
mod security;
pub(crate) mod start;
pub mod state;
mod status;
pub(crate) mod worker;
pub(crate) mod workers;

pub use plan::{Action, Plan, plan};
pub use state::PodState;
pub(crate) use status::whole_seconds;
pub use status::{NodeFacts, status};

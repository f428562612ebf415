//! Decides which node each pod runs on.
//!
//! A pod waits in the [`queue`]; [`place()`](place::place) decides over the [`Snapshot`] of nodes and bound pods with the [`plugins`]; the
//! [`Scheduler`] carries the decision out as a binding. Everything but the driver is pure: no clock, no client.
//!
//! # Invariants
//! - A pod is bound at most once: the apiserver refuses a second binding, and a pod that is being bound is *assumed* on its node, so
//!   that its resources are not given away meanwhile.
//! - The sum of requests on a node never exceeds what it can allocate.
//! - Nothing polls: a pod that fits nowhere waits until something changes that could help one of the plugins that refused it.

pub mod place;
pub mod plugins;
pub mod pod;
pub mod queue;
pub mod resources;
pub mod snapshot;

mod driver;
mod labels;

pub use driver::{Options, Scheduler};
pub use place::{Placement, Unschedulable, place};
pub use plugins::{Plugin, Verdict};
pub use pod::PodRequest;
pub use resources::Resources;
pub use snapshot::{NodeState, Snapshot};

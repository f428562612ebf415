//! Decides which node each pod runs on.
//!
//! A pod waits in the [`queue`]; [`place()`](place::place) decides over the [`Snapshot`] of nodes and bound pods with the [`plugins`] of a
//! [`Profile`]; when it fits nowhere, [`preempt()`](preempt::preempt) looks for less important pods to make room; the [`Scheduler`]
//! carries the decision out. Everything but the driver is pure: no clock, no client.
//!
//! # Invariants
//! - A pod is bound at most once: the apiserver refuses a second binding, and a pod that is being bound is *assumed* on its node, so
//!   that its resources are not given away meanwhile.
//! - The sum of requests on a node never exceeds what it can allocate.
//! - No decision looks at every pod: what pods say about other pods is answered from sums that are kept current as pods come and go.
//! - Nothing polls: a pod that fits nowhere waits until something happens of which a plugin that refused it says that it can help.

pub mod event;
pub mod extension;
pub mod place;
pub mod plugins;
pub mod pod;
pub mod preempt;
pub mod profile;
pub mod queue;
pub mod resources;
pub mod selector;
pub mod snapshot;
pub mod storage;

mod driver;
#[cfg(test)]
mod testing;

pub use driver::{Options, Scheduler};
pub use event::{Event, NodeChange};
pub use extension::{Extended, Extension};
pub use place::{Cursor, Placement, Unschedulable, place};
pub use plugins::{Plugin, Verdict};
pub use pod::PodRequest;
pub use preempt::preempt;
pub use profile::Profile;
pub use resources::Resources;
pub use snapshot::{NodeState, Snapshot};

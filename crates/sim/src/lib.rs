//! A whole cluster in one thread, under virtual time, from one seed.
//!
//! [`Cluster`] is the real thing but for its edges: the memory store, the registry, access with the bootstrap policy, the apiserver as
//! a service in this process, the scheduler, all controllers and one true [`sampan_node::Agent`] per node over the fake runtime. Its
//! edges are a clock that follows tokio's paused one ([`clock`]), bytes from the seed ([`dice`]) and a line between every part and
//! the API that delays, refuses, loses answers after they took effect and cuts watches ([`faults`]).
//!
//! [`run`] lets a user do things from the seed ([`actions`]) while lines are bad and nodes crash, then lets the faults stop and
//! demands that all settles. What must hold is one function per promise in [`invariants`]; those over steps are asked at every single
//! write. The writes themselves are the [`trace`]: the same seed takes the same path, to the byte.
//!
//! # What it does not do
//! No sockets, no TLS, no SQL (threads), no containers. Agents keep their files in a temporary directory; on a runtime of one thread
//! they do that in place, so that the order in which things happen does not depend on a pool of threads.
//!
//! # Invariants
//! - Nothing here or below reads the wall clock or draws chance from elsewhere than the seed.
//! - What happened is read from the store's own log of changes, not asked from a part under test.

pub mod actions;
pub mod clock;
pub mod cluster;
pub mod dice;
pub mod faults;
pub mod invariants;
pub mod run;
pub mod trace;
pub mod world;

pub use cluster::Cluster;
pub use dice::Dice;
pub use faults::{Faults, Rates};
pub use run::{Failure, Outcome, run};

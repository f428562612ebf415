//! How pods and Services are reached.
//!
//! *Loopback mode*, for one machine and no privileges: every pod has an address of its own in 127.0.0.0/8, which Linux lets anyone bind
//! without set-up, and Services are served by a proxy in user space. Runtimes bind what they listen on to the pod's address.
//!
//! Pods whose runtime gives them a network of their own are led there by routes (`namespace`).
//!
//! What this crate does not do: it runs no containers, and it knows pods only through endpoint slices. A pod that is not ready is not in
//! them as ready, so it gets no traffic.
//!
//! The proxy decides in a pure function ([`proxy::plan`]) over Services and EndpointSlices which addresses are served by which
//! endpoints; the rest moves bytes.

pub mod loopback;
mod namespace;
pub mod proxy;

pub use loopback::LoopbackNetwork;
pub use proxy::Proxy;

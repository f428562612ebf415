//! One suite for every store, and for the watch cache over each: a model, linearizability, what watches promise, crashes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed test tells its seed, the crash child what was acknowledged"
)]

#[path = "stores/kit.rs"]
#[macro_use]
mod kit;

#[path = "stores/cache.rs"]
mod cache;
#[path = "stores/crash.rs"]
mod crash;
#[path = "stores/dump.rs"]
mod dump;
#[path = "stores/history.rs"]
mod history;
#[path = "stores/linearizable.rs"]
mod linearizable;
#[path = "stores/lost.rs"]
mod lost;
#[path = "stores/model.rs"]
mod model;
#[path = "stores/postgres.rs"]
mod postgres;
#[path = "stores/seal.rs"]
mod seal;
#[path = "stores/semantics.rs"]
mod semantics;
#[path = "stores/sequential.rs"]
mod sequential;
#[path = "stores/servers.rs"]
mod servers;
#[path = "stores/sqlite.rs"]
mod sqlite;
#[path = "stores/watch.rs"]
mod watch;

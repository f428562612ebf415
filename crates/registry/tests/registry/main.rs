//! The registry over a memory store: what every verb promises, and what is special about each kind.

// A test that cannot go on says so.
#![allow(clippy::unwrap_used)]

mod bootstrap;
mod cluster;
mod create;
mod delete;
mod groups;
mod list;
mod managed_fields;
mod more_kinds;
mod patch;
mod service_addresses;
mod services;
mod subresources;
mod tables;
mod update;
mod validation;
mod watch;

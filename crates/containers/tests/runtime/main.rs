//! The runtime as a node sees it, on a real containerd.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod cgroups;
mod conformity;
mod images;
mod logs;
mod registry;
mod restart;
mod setting;
mod streams;

//! The verbs, written once for every kind.

mod apply;
mod binding;
pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod delete;
mod delete_collection;
mod eviction;
mod filter;
mod get;
pub(crate) mod list;
mod patch;
pub(crate) mod scale;
pub(crate) mod update;
pub(crate) mod watch;

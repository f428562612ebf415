//! An OCI distribution registry (specification 1.1) in a directory: pull and push of images, Wasm artifacts and anything else
//! that has a manifest.
//!
//! [`Registry::open`] takes a directory and somebody who decides who may do what ([`Authorize`]); [`Registry::router`] is the
//! service below `/v2/`. It does no TLS, knows no users, and reads no clock: all that is the caller's.
//!
//! Supported: manifests by tag and digest, blobs with ranges, uploads in one piece, in chunks and by mounting from another
//! repository, listing of tags in pages, deletion, referrers. Digests are SHA-256. Not supported: `_catalog`, and fetching on
//! demand from other registries.
//!
//! Invariants:
//! - what can be read under a digest has that digest: content is hashed while it arrives and gets its name afterwards, by an
//!   atomic rename, after it is on the disk;
//! - a name that reaches the file system consists of characters that mean nothing there ([`name`] parses, everything else takes
//!   parsed names);
//! - a manifest of an image is accepted only when all it refers to is in its repository;
//! - what was pushed to one repository cannot be read through another.

mod auth;
mod blobs;
mod error;
mod manifests;
pub mod name;
mod range;
mod referrers;
mod registry;
mod route;
mod sessions;
mod storage;
mod tags;
mod uploads;

#[cfg(test)]
mod tests;

pub use auth::{Access, Action, Anybody, Authorize, Credentials, SingleUser};
pub use error::OpenError;
pub use registry::{Limits, Registry};

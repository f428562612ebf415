//! The registry: every kind Sampan serves, behind one set of verbs.
//!
//! A kind is a [`Strategy`]: one file that says what is special about it (names, what the server owns, what is valid, which columns
//! `kubectl get` prints) and one line in [`builtin`]. Everything else (names and uids, resource versions, selectors, pages, watches,
//! finalizers, graceful deletion, patches, dry run) is written once, in [`Registry`]'s verbs.
//!
//! What it does not do: no HTTP, no wire formats (bodies arrive as decoded, schema-checked JSON values), no authentication and no
//! authorization. Admission is called through [`sampan_api::request::Admission`] and lives elsewhere.
//!
//! Invariants:
//! - An object is stored as plain JSON with `apiVersion`, `kind` and `metadata` first and an empty `metadata.resourceVersion` as the
//!   first member of `metadata`; the revision of the store is spliced in when the object is read, and is never stored.
//! - Every change of an object is one compare-and-swap in the store. What a verb answers is what the store holds.
//! - Every write says in `metadata.managedFields` who owns the fields it set.
//! - A write that changes nothing does not reach the store, so a settled controller leaves no trace.
//! - A read without a resource version sees every write that was acknowledged before it began.

mod admissionregistration;
mod allocator;
mod apiextensions;
mod apiregistration;
mod apps;
mod autoscaling;
mod batch;
mod bootstrap;
mod builtin;
mod cell;
mod certificates;
mod conditions;
mod context;
mod convert;
mod coordination;
mod core;
mod discovery;
mod dra;
mod error;
mod events;
mod extract;
mod flowcontrol;
mod lister;
mod managed_fields;
mod networking;
mod node;
mod object;
mod options;
mod policy;
mod rbac;
mod registry;
mod resource;
mod scheduling;
mod shape;
mod storage;
mod stored;
mod strategy;
mod table;
mod validation;
mod verbs;
mod view;

pub use builtin::builtin;
pub use context::{FieldValidation, RequestContext};
pub use error::OpenError;
pub use flowcontrol::objects as bootstrap_flow_control;
pub use managed_fields::keep_reset;
pub use object::Object;
pub use options::{DeleteOptions, ListOptions, PatchKind, Preconditions, Propagation, VersionMatch, WatchOptions};
pub use registry::{Options, Registry};
pub use resource::{Resource, Subresource};
pub use strategy::{Names, Scope, SelectableField, Strategy};
pub use table::Table;
pub use verbs::create::Created;
pub use verbs::delete::Deleted;
pub use verbs::list::List;
pub use verbs::update::Updated;
pub use verbs::watch::{Event, WatchStream};

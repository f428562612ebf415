//! Server-side apply: which fields an object has, who owns them, and how a configuration is merged into what others have made of the object.
//!
//! [`FieldSet`] is a set of fields with its JSON form (`fieldsV1`); [`Typed`] says by the schema which lists are sets or maps and what is
//! owned as a whole. On these stand what is mentioned in a value ([`mentioned`]), how two states differ ([`compare`]), merging ([`merge`]),
//! taking fields out or nothing but them ([`remove`], [`extract`]), and the two ways of writing: [`update`] and [`apply`].
//!
//! It matches `sigs.k8s.io/structured-merge-diff/v6` (packages `fieldpath`, `typed`, `merge`) and KEP-555. Upstream walks Go structs, which
//! have fields JSON leaves out (`resources: {}`); here the schema's `always` stands for them, so that the same fields are owned.
//!
//! Nothing here is quadratic in the length of a list: elements are sorted, never searched for one by one.

mod check;
mod compare;
mod described;
mod element;
mod equal;
mod fields_v1;
mod items;
mod mentioned;
mod merge;
mod own;
mod prune;
mod remove;
mod set;
mod typed;

pub use check::{Duplicates, InvalidFields, check};
pub use compare::{Comparison, compare};
pub use described::{Described, Form, Items};
pub use element::{PathElement, Scalar};
pub use fields_v1::{FieldsV1Error, write_fields_v1};
pub use mentioned::mentioned;
pub use merge::merge;
pub use own::{Applied, ApplyError, Conflict, Managed, Manager, Operation, Request, Versions, apply, update};
pub use remove::{extract, remove};
pub use set::FieldSet;
pub use typed::Typed;

#[cfg(test)]
mod tests;

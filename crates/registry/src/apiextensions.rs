//! Custom resources: kinds that become known while the server runs. Upstream: `apiextensions-apiserver`.
//!
//! A CustomResourceDefinition is an object like any other ([`definition`]). What the established ones say is compiled into the [`Catalog`], which
//! every look-up that no built-in kind answers goes by; it is made anew when a definition has changed, so that all servers on one store
//! agree as soon as they have seen the change. One task per server ([`driver`]) settles the definitions' status and deletes the instances of
//! those that go.

mod catalog;
mod check;
mod cleanup;
mod columns;
mod content;
mod conversion;
mod converter;
pub(crate) mod definition;
mod driver;
mod formats;
mod intern;
mod json_path;
mod kind;
mod ownership;
mod pattern;
mod rules;
mod schema;
mod status;
mod validate;

pub(crate) use catalog::Catalogs;
pub(crate) use converter::Converter;
pub(crate) use driver::run;
pub(crate) use kind::{CustomKind, SelectedField};

/// Where definitions are stored.
pub(crate) const DEFINITIONS: &str = "apiextensions.k8s.io/customresourcedefinitions";

//! Which objects a request means: label selectors and field selectors, from their text and from their JSON form
//! (`apimachinery/pkg/labels`, `pkg/fields`).

mod field;
mod label;
mod lexer;

pub use field::{FieldOperator, FieldRequirement, FieldSelector};
pub use label::{LabelRequirement, LabelSelector, Operator};

/// Why a selector cannot be understood. The message is upstream's where people see it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub(crate) String);

#[cfg(test)]
mod tests;

//! From what a client sent to what is stored: JSON with its duplicate fields found, then brought into the shape the schema says.
//!
//! [`conform`] leaves a value as Go's typed decoding and encoding would: unknown fields, nulls and meaningless zero values are gone, quantities and times are
//! in canonical form. Fields that are only semantically wrong are validation's business.

mod conform;
mod json;

pub use conform::conform;
pub use json::{complaints, parse_json};

/// How deep lists and objects may be nested.
pub const MAX_DEPTH: usize = 128;

/// How many unknown or duplicate fields are named before the rest is left unsaid, as upstream does.
pub const MAX_REPORTED: usize = 100;

/// Why something cannot be decoded. Trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The text is no JSON.
    #[error("json parse error: {0}")]
    Json(String),
    /// The whole is no object.
    #[error("json: cannot unmarshal {found} into Go value of type {expected}")]
    NotAnObject { found: &'static str, expected: &'static str },
    /// A value has the wrong type. `path` names fields only, as Go's message does.
    #[error("json: cannot unmarshal {found} into Go struct field {holder}.{path} of type {expected}")]
    WrongType { found: String, holder: &'static str, path: String, expected: String },
    /// A value has the right type and cannot be read: a time, a quantity, base64.
    #[error("{path}: {why}")]
    Malformed { path: String, why: String },
    /// Deeper than [`MAX_DEPTH`].
    #[error("{path}: nested more than {MAX_DEPTH} levels deep")]
    TooDeep { path: String },
}

#[cfg(test)]
mod tests;

//! What every part of Sampan knows about Kubernetes objects, whatever their kind: names, metadata, errors, selectors,
//! quantities, the schema table and what it drives (strict decoding, protobuf, patches, server-side apply).
//!
//! Pure: no I/O, no tasks, no clock or randomness of its own ([`Clock`] and [`Entropy`] are given). It knows no single kind; those are in `api`.
//!
//! Objects are [`serde_json::Value`]s: unlike typed structs they keep what they do not know, tell null from absent, and need no code per kind.
//!
//! Invariants: no input makes anything here panic, and nothing recurses deeper than [`decode::MAX_DEPTH`].

pub mod apply;
mod clock;
pub mod decode;
mod entropy;
pub mod field;
mod names;
pub mod object;
pub mod patch;
pub mod protobuf;
mod quantity;
pub mod schema;
pub mod selector;
mod status;
pub mod table;
pub mod time;
pub mod validation;

pub use clock::{Clock, ManualClock};
pub use entropy::{Entropy, SUFFIX_ALPHABET, SeededEntropy, new_uid, random_suffix};
pub use names::{GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource, NamespacedName};
pub use quantity::{Format, Quantity, QuantityError};
pub use status::{Status, StatusCause, StatusDetails};

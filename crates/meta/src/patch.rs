//! The three ways to change a part of an object: JSON patch, JSON merge patch and strategic merge patch.
//!
//! All work on plain values; the result has to be brought into shape again ([`crate::decode::conform`]), defaulted and validated.

mod order;
mod strategic;

use crate::schema::{Schema, Type};
use crate::{GroupResource, Status};
use serde_json::Value;

/// The most operations a JSON patch may have, as upstream allows.
pub const MAX_OPERATIONS: usize = 10_000;

/// How many bytes the `copy` operations of one JSON patch may add, as upstream allows: without a bound a short patch could double a value over and over.
pub const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// Why a patch cannot be applied. Trying again helps only if the object changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch makes no sense whatever the object.
    #[error("{0}")]
    Malformed(String),
    /// The patch does not fit this object.
    #[error("{0}")]
    DoesNotApply(String),
    /// More than [`MAX_OPERATIONS`] or [`MAX_COPIED_BYTES`].
    #[error("{0}")]
    TooLarge(String),
}

impl From<PatchError> for Status {
    /// 400, 422 and 413.
    fn from(error: PatchError) -> Self {
        match error {
            PatchError::Malformed(why) => Self::bad_request(why),
            PatchError::DoesNotApply(why) => Self::unprocessable(&GroupResource::default(), "", why),
            PatchError::TooLarge(why) => Self::request_entity_too_large(why),
        }
    }
}

/// Applies a JSON patch (RFC 6902). All operations succeed, or the object stays as it is.
pub fn json(object: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let operations = patch.as_array().map_or(0, Vec::len);
    if operations > MAX_OPERATIONS {
        let why = format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {operations}");
        return Err(PatchError::TooLarge(why));
    }
    let patch: json_patch::Patch = serde::Deserialize::deserialize(patch)
        .map_err(|error| PatchError::Malformed(format!("error decoding patch: {error}")))?;
    let (mut patched, mut copied) = (object.clone(), 0);
    for operation in patch.0 {
        copied += copied_bytes(&patched, &operation);
        if copied > MAX_COPIED_BYTES {
            let why = format!("the copy operations of a JSON patch may add {MAX_COPIED_BYTES} bytes at most");
            return Err(PatchError::TooLarge(why));
        }
        json_patch::patch(&mut patched, &[operation])
            .map_err(|error| PatchError::DoesNotApply(error.kind.to_string()))?;
    }
    *object = patched;
    Ok(())
}

fn copied_bytes(object: &Value, operation: &json_patch::PatchOperation) -> usize {
    let json_patch::PatchOperation::Copy(copy) = operation else { return 0 };
    object.pointer(copy.from.as_str()).map_or(0, |value| value.to_string().len())
}

/// Applies a JSON merge patch (RFC 7386): objects are merged, nulls delete, all else replaces.
pub fn merge(object: &mut Value, patch: &Value) {
    json_patch::merge(object, patch);
}

/// Applies a strategic merge patch: like a merge patch, but lists the schema gives a merge key are merged element by element, with the directives `$patch`,
/// `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…` (upstream's `apimachinery/pkg/util/strategicpatch`).
///
/// After an error the object may be changed in part.
pub fn strategic(schema: &Schema, type_: &Type, object: &mut Value, patch: &Value) -> Result<(), PatchError> {
    strategic::apply(schema, type_, object, patch)
}

#[cfg(test)]
mod tests;

//! The three kinds of patches.
use crate::schema::{Schema, Type};
use serde_json::Value;
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatchError(String);
pub fn json(_object: &mut Value, _patch: &Value) -> Result<(), PatchError> {
    Err(PatchError("not yet".into()))
}
pub fn merge(object: &mut Value, patch: &Value) {
    json_patch::merge(object, patch)
}
pub fn strategic(_schema: &Schema, _type: &Type, _object: &mut Value, _patch: &Value) -> Result<(), PatchError> {
    Err(PatchError("not yet".into()))
}

//! Strict decoding.
use crate::schema::{Schema, Type};
use serde_json::Value;
pub const MAX_DEPTH: usize = 128;
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{0}")]
    Json(String),
    #[error("{0}")]
    WrongType(String),
}
pub fn parse_json(bytes: &[u8]) -> Result<(Value, Vec<String>), DecodeError> {
    serde_json::from_slice(bytes).map(|value| (value, Vec::new())).map_err(|error| DecodeError::Json(error.to_string()))
}
pub fn conform(_schema: &Schema, _type: &Type, _value: &mut Value) -> Result<Vec<String>, DecodeError> {
    Ok(Vec::new())
}

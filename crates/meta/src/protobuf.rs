//! The protobuf form of objects.
use crate::schema::{Schema, Type};
use serde_json::Value;
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProtobufError(String);
pub fn encode(_schema: &Schema, _type: &Type, _value: &Value) -> Result<Vec<u8>, ProtobufError> {
    Err(ProtobufError("not yet".into()))
}
pub fn decode(_schema: &Schema, _type: &Type, _bytes: &[u8]) -> Result<Value, ProtobufError> {
    Err(ProtobufError("not yet".into()))
}
pub mod envelope {
    use super::ProtobufError;
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Unknown {
        pub api_version: String,
        pub kind: String,
        pub raw: Vec<u8>,
        pub content_encoding: String,
        pub content_type: String,
    }
    pub fn wrap(_api_version: &str, _kind: &str, _raw: &[u8]) -> Vec<u8> {
        Vec::new()
    }
    pub fn unwrap(_bytes: &[u8]) -> Result<Unknown, ProtobufError> {
        Err(ProtobufError("not yet".into()))
    }
}

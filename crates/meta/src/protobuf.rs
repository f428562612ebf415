//! The protobuf form of objects, as Go clients send and read it.
//!
//! The schema table says numbers and types; messages that JSON inlines (a Volume's source, a Probe's handler) are nested and flattened on
//! the way. The bytes are those Go writes for the same fields: ascending numbers, maps sorted by key.

mod decode;
mod encode;
pub mod envelope;
mod special;
mod wire;

use crate::schema::{Schema, Type};
use serde_json::{Map, Value};

/// What protobuf bodies are called in `Content-Type` and `Accept`.
pub const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Why bytes cannot be decoded, or a value cannot be encoded. Trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    #[error("protobuf: unexpected end of data")]
    Truncated,
    #[error("protobuf: the body is not an object in Kubernetes' protobuf envelope")]
    NoEnvelope,
    #[error("protobuf: no kind {kind:?} is known in version {api_version:?}")]
    UnknownKind { api_version: String, kind: String },
    #[error("protobuf: {path}: {why}")]
    Malformed { path: String, why: String },
    #[error("protobuf: nested more than {} levels deep", crate::decode::MAX_DEPTH)]
    TooDeep,
}

/// Encodes an object that conforms to `type_` (see [`crate::decode::conform`]), without envelope.
pub fn encode(schema: &Schema, type_: &Type, object: &Value) -> Result<Vec<u8>, ProtobufError> {
    let mut bytes = Vec::with_capacity(512);
    encode::message(schema, type_, object, &mut bytes)?;
    Ok(bytes)
}

/// Decodes what [`encode`] or a Go client wrote, without envelope. Sets `apiVersion` and `kind` when the type alone says them.
///
/// Zero values that Go leaves out of JSON are left out here too, so that the result needs no more than [`crate::decode::conform`]'s canonical forms, which
/// it has as well. Fields the schema does not have are skipped, as in Go: protobuf carries no names to tell the client.
pub fn decode(schema: &Schema, type_: &Type, bytes: &[u8]) -> Result<Value, ProtobufError> {
    let mut members = Map::new();
    decode::message(schema, type_, bytes, &mut members)?;
    if let Some(api_version) = type_.api_version.filter(|api_version| *api_version != "*") {
        members.insert("apiVersion".to_owned(), api_version.into());
        members.insert("kind".to_owned(), type_.short_name().into());
    }
    Ok(Value::Object(members))
}

/// Encodes an object with its envelope, as it goes over the wire. `apiVersion` and `kind` are taken from the object.
pub fn encode_object(schema: &Schema, type_: &Type, object: &Value) -> Result<Vec<u8>, ProtobufError> {
    let raw = encode(schema, type_, object)?;
    Ok(envelope::wrap(crate::object::api_version(object), crate::object::kind(object), &raw))
}

/// Decodes an object with its envelope, by the kind the envelope names.
pub fn decode_object(schema: &Schema, bytes: &[u8]) -> Result<Value, ProtobufError> {
    let unknown = envelope::unwrap(bytes)?;
    let object = decode(schema, unknown.type_in(schema)?, &unknown.raw)?;
    Ok(unknown.name(object))
}

#[cfg(test)]
mod tests;

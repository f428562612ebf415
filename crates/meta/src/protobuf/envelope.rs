//! What surrounds every protobuf body: four magic bytes and a `runtime.Unknown` that names the kind.

use super::ProtobufError;
use super::wire::{Raw, fields, put_bytes_field, put_message};
use crate::schema::{Schema, Type};
use serde_json::Value;

/// `k8s\0`.
pub const MAGIC: [u8; 4] = *b"k8s\0";

/// `k8s.io/apimachinery/pkg/runtime.Unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    pub api_version: String,
    pub kind: String,
    /// The object's own message.
    pub raw: Vec<u8>,
    pub content_encoding: String,
    pub content_type: String,
}

impl Unknown {
    /// The type of the kind the envelope names.
    pub(super) fn type_in<'a>(&self, schema: &'a Schema) -> Result<&'a Type, ProtobufError> {
        let Self { api_version, kind, .. } = self;
        let unknown = || ProtobufError::UnknownKind { api_version: api_version.clone(), kind: kind.clone() };
        schema.by_kind(api_version, kind).ok_or_else(unknown)
    }

    /// Gives a decoded object the kind the envelope names.
    pub(super) fn name(self, mut object: Value) -> Value {
        object["apiVersion"] = self.api_version.into();
        object["kind"] = self.kind.into();
        object
    }
}

/// Puts an encoded object into its envelope.
pub fn wrap(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + api_version.len() + kind.len() + 32);
    out.extend_from_slice(&MAGIC);
    let type_meta = |out: &mut Vec<u8>| {
        put_bytes_field(out, 1, api_version.as_bytes());
        put_bytes_field(out, 2, kind.as_bytes());
        Ok::<(), std::convert::Infallible>(())
    };
    let Ok(()) = put_message(&mut out, 1, type_meta);
    put_bytes_field(&mut out, 2, raw);
    // Encoding and content type: empty, and always written by Go.
    put_bytes_field(&mut out, 3, b"");
    put_bytes_field(&mut out, 4, b"");
    out
}

/// Takes an encoded object out of its envelope.
pub fn unwrap(bytes: &[u8]) -> Result<Unknown, ProtobufError> {
    let message = bytes.strip_prefix(&MAGIC).ok_or(ProtobufError::NoEnvelope)?;
    let mut unknown = Unknown::default();
    for field in fields(message) {
        match field? {
            (1, Raw::Bytes(type_meta)) => read_type_meta(type_meta, &mut unknown)?,
            (2, Raw::Bytes(raw)) => unknown.raw = raw.to_vec(),
            (3, Raw::Bytes(text)) => unknown.content_encoding = string(text)?,
            (4, Raw::Bytes(text)) => unknown.content_type = string(text)?,
            _ => {}
        }
    }
    Ok(unknown)
}

fn read_type_meta(bytes: &[u8], unknown: &mut Unknown) -> Result<(), ProtobufError> {
    for field in fields(bytes) {
        match field? {
            (1, Raw::Bytes(text)) => unknown.api_version = string(text)?,
            (2, Raw::Bytes(text)) => unknown.kind = string(text)?,
            _ => {}
        }
    }
    Ok(())
}

fn string(bytes: &[u8]) -> Result<String, ProtobufError> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned)
        .map_err(|_| ProtobufError::Malformed { path: "envelope".into(), why: "text is no UTF-8".into() })
}

/// One `meta.v1.WatchEvent` around an object that is in its envelope already, as a protobuf watch sends it (after a length of four
/// bytes, big end first, which is the transport's to write). The same object bytes serve every watcher.
pub fn watch_event(type_: &str, object: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(object.len() + type_.len() + 16);
    put_bytes_field(&mut out, 1, type_.as_bytes());
    let raw_extension = |out: &mut Vec<u8>| {
        put_bytes_field(out, 1, object);
        Ok::<(), std::convert::Infallible>(())
    };
    let Ok(()) = put_message(&mut out, 2, raw_extension);
    out
}

//! An object as the watch cache holds it: bytes, and the few strings that selectors look at.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sampan_meta::protobuf;
use sampan_store::{Decode, Key, Record};
use serde_json::Value;

use crate::extract::{Extracted, extract};
use crate::shape::Shape;
use crate::stored;

/// One state of one object, made once a change and shared by all who read or watch it.
///
/// The whole JSON value is not kept: it is parsed when asked for.
pub struct Object {
    key: Key,
    revision: u64,
    json: Bytes,
    shape: &'static Shape,
    extracted: Extracted,
    protobuf: OnceLock<Bytes>,
    parsed: OnceLock<Arc<Value>>,
}

impl Object {
    /// Makes an object of bytes as [`stored::encode`] writes them.
    pub(crate) fn from_stored(key: Key, revision: u64, data: &[u8], shape: &'static Shape) -> Result<Self, String> {
        let json =
            stored::splice(data, revision).ok_or_else(|| format!("{key:?} does not begin as a stored object does"))?;
        let extracted = extract(&json, shape).map_err(|error| format!("{key:?} is not readable: {error}"))?;
        Ok(Self { key, revision, json, shape, extracted, protobuf: OnceLock::new(), parsed: OnceLock::new() })
    }

    /// Makes an object of a value, for answers that are not stored (dry run, `Scale`, converted versions).
    pub(crate) fn from_value(key: Key, revision: u64, value: &Value, shape: &'static Shape) -> Result<Self, String> {
        Self::from_stored(key, revision, &stored::encode(value), shape)
    }

    /// The same state under another revision, as a watcher sees an object that has left its selector.
    pub(crate) fn at_revision(&self, revision: u64) -> Result<Self, String> {
        Self::from_stored(self.key.clone(), revision, &self.json, self.shape)
    }

    /// The whole object, `metadata.resourceVersion` included. Shared, never copied.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The object parsed anew.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or_else(|error| {
            // The bytes were read through once by `extract`; only numbers beyond JSON's range get here.
            tracing::error!(object = ?self.key, %error, "object in the cache is not readable");
            Value::Null
        })
    }

    /// The object parsed once and kept, for the few kinds that every request's admission reads.
    pub(crate) fn kept_value(&self) -> Arc<Value> {
        self.parsed.get_or_init(|| Arc::new(self.value())).clone()
    }

    /// The object as `application/vnd.kubernetes.protobuf`, envelope included. Encoded at the first call, then shared.
    pub fn protobuf(&self) -> Result<Bytes, protobuf::ProtobufError> {
        if let Some(bytes) = self.protobuf.get() {
            return Ok(bytes.clone());
        }
        let schema = sampan_api::schema();
        let type_ = schema.get(self.shape.type_name).expect("every served kind is in the schema, as a test shows");
        let bytes = Bytes::from(protobuf::encode_object(schema, type_, &self.value())?);
        Ok(self.protobuf.get_or_init(|| bytes).clone())
    }

    /// The store's revision that wrote this state; for a deleted object, the one that deleted it. 0 for answers of a dry run.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        &self.key.name
    }

    /// `metadata.namespace`; empty for cluster-scoped kinds.
    pub fn namespace(&self) -> &str {
        &self.key.namespace
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> &str {
        &self.shape.api_version
    }

    /// `Pod`.
    pub fn kind(&self) -> &str {
        self.shape.kind
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        let labels = &self.extracted.labels;
        let at = labels.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        Some(&labels[at].1)
    }

    /// All labels, sorted by key.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.extracted.labels.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The value of a selectable field; `None` for a field that cannot be selected by.
    pub fn field(&self, name: &str) -> Option<&str> {
        match name {
            "metadata.name" => Some(&self.key.name),
            "metadata.namespace" => Some(&self.key.namespace),
            _ => {
                let at = self.shape.selectable.iter().position(|field| field.name == name)?;
                Some(self.extracted.fields[at].as_deref().unwrap_or(self.shape.selectable[at].absent))
            }
        }
    }

    /// The value the cache has indexed it under.
    pub(crate) fn index_value(&self) -> Option<&str> {
        self.extracted.index.as_deref()
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }
}

impl Decode for Object {
    fn decode(record: &Record) -> Result<Self, String> {
        let shape = Shape::of_storage(&record.key.resource);
        Self::from_stored(record.key.clone(), record.revision.0, &record.data, shape)
    }

    fn index(&self) -> Option<Arc<str>> {
        self.extracted.index.clone()
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}/{}@{}", self.shape.kind, self.key.namespace, self.key.name, self.revision)
    }
}

//! `meta.k8s.io/v1` Status: how every API failure looks on the wire, with upstream's reasons and words
//! (`apimachinery/pkg/api/errors`).

use crate::field::ErrorList;
use crate::{GroupResource, object};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

mod constructors;

/// The outcome of a request, as an object. An error when `status` is `Failure`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub struct Status {
    #[serde(default)]
    api_version: V1,
    /// A ListMeta; empty but for a continue token that a 410 may carry.
    #[serde(default)]
    pub metadata: serde_json::Map<String, Value>,
    /// `Success` or `Failure`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// What kubectl prints.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// One word for programs, for example `NotFound`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<StatusDetails>>,
    /// The HTTP status code; 0 when unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub code: u16,
}

/// What the failure is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusDetails {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The kind, or for most errors the resource: upstream is as loose.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<StatusCause>,
    /// How long to wait before trying again; 0 when unset.
    #[serde(default, skip_serializing_if = "is_zero_seconds")]
    pub retry_after_seconds: u32,
}

/// One of the causes of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCause {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The field, as [`crate::field::Path`] prints it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// The `apiVersion` of every Status; takes no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct V1;

impl Serialize for V1 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("v1")
    }
}

impl<'de> Deserialize<'de> for V1 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

fn is_zero(code: &u16) -> bool {
    *code == 0
}

fn is_zero_seconds(seconds: &u32) -> bool {
    *seconds == 0
}

impl Status {
    /// The object as it goes over the wire.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("a Status holds text and numbers only")
    }

    /// Reads a Status object; `None` when the value is something else.
    pub fn from_value(value: &Value) -> Option<Self> {
        (object::kind(value) == "Status").then(|| Self::deserialize(value).ok()).flatten()
    }

    /// Whether the request failed.
    pub fn is_failure(&self) -> bool {
        self.status != SUCCESS
    }

    /// Whether the same request may succeed later without anything having been done about it.
    pub fn retryable(&self) -> bool {
        matches!(self.code, 429 | 500 | 502 | 503 | 504) || self.is_conflict()
    }

    /// 404: what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.reason == "NotFound"
    }

    /// 409: an object of that name exists.
    pub fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    /// 409: the object has changed meanwhile.
    pub fn is_conflict(&self) -> bool {
        self.reason == "Conflict"
    }

    /// 410: the resource version asked for is compacted away.
    pub fn is_expired(&self) -> bool {
        self.reason == "Expired" || self.reason == "Gone"
    }

    /// The details, made empty first when absent.
    pub fn details_mut(&mut self) -> &mut StatusDetails {
        self.details.get_or_insert_default()
    }

    /// Adds a cause.
    pub fn with_cause(mut self, reason: &str, message: impl Into<String>, field: &str) -> Self {
        let cause = StatusCause { reason: reason.to_owned(), message: message.into(), field: field.to_owned() };
        self.details_mut().causes.push(cause);
        self
    }

    /// Says which object it is about.
    pub fn with_uid(mut self, uid: &str) -> Self {
        uid.clone_into(&mut self.details_mut().uid);
        self
    }

    /// Whether one of the causes has this reason.
    pub fn has_cause(&self, reason: &str) -> bool {
        self.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == reason)
    }
}

const SUCCESS: &str = "Success";
const FAILURE: &str = "Failure";

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests;

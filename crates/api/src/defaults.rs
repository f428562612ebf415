//! Defaults.
use sampan_meta::GroupVersionKind;
use serde_json::Value;
pub fn default_object(_kind: &GroupVersionKind, _object: &mut Value) {}

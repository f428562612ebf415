//! Reading and writing the parts every object has, on the whole object as JSON.
//!
//! An absent field and an empty one read alike, as in Go. Nothing here fails: a field of the wrong type reads as absent.

use crate::time::{format_time, parse_time};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who owns an object, as an entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

/// The value below a path of field names.
pub fn get<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, name| value.get(name))
}

/// The string at a JSON pointer, for example `/spec/nodeName`. An empty string reads as absent.
pub fn str_at<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// The integer at a JSON pointer.
pub fn i64_at(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer)?.as_i64()
}

/// The truth value at a JSON pointer.
pub fn bool_at(object: &Value, pointer: &str) -> Option<bool> {
    object.pointer(pointer)?.as_bool()
}

/// The list at a JSON pointer; empty when absent.
pub fn list_at<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The member `name` of an object, made an empty object first when it is absent or null.
///
/// A value that is no object is replaced: callers hold values that have been checked against the schema.
pub fn child<'a>(object: &'a mut Value, name: &str) -> &'a mut Value {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let members = object.as_object_mut().expect("made an object above");
    let member = members.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if member.is_null() {
        *member = Value::Object(Map::new());
    }
    member
}

/// Sets the value below a path of field names, making the objects on the way.
pub fn set(object: &mut Value, path: &[&str], value: Value) {
    *path.iter().fold(object, |parent, name| child(parent, name)) = value;
}

/// Removes the value below a path of field names and gives it back.
pub fn remove(object: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(object, |value, name| value.get_mut(name))?;
    parent.as_object_mut()?.remove(*last)
}

fn metadata<'a>(object: &'a Value, name: &str) -> &'a str {
    get(object, &["metadata", name]).and_then(Value::as_str).unwrap_or_default()
}

fn set_metadata(object: &mut Value, name: &str, text: impl Into<String>) {
    set(object, &["metadata", name], Value::String(text.into()));
}

/// `apiVersion`.
pub fn api_version(object: &Value) -> &str {
    object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
}

/// `kind`.
pub fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// Group, version and kind from `apiVersion` and `kind`.
pub fn group_version_kind(object: &Value) -> crate::GroupVersionKind {
    crate::GroupVersionKind::from_api_version(api_version(object), kind(object))
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    metadata(object, "name")
}

/// `metadata.generateName`.
pub fn generate_name(object: &Value) -> &str {
    metadata(object, "generateName")
}

/// `metadata.namespace`; empty in cluster scope.
pub fn namespace(object: &Value) -> &str {
    metadata(object, "namespace")
}

/// `metadata.namespace` and `metadata.name`.
pub fn namespaced_name(object: &Value) -> crate::NamespacedName {
    crate::NamespacedName::new(namespace(object), name(object))
}

/// `metadata.uid`.
pub fn uid(object: &Value) -> &str {
    metadata(object, "uid")
}

/// `metadata.resourceVersion`; empty when unset.
pub fn resource_version(object: &Value) -> &str {
    metadata(object, "resourceVersion")
}

/// `metadata.generation`; 0 when unset.
pub fn generation(object: &Value) -> i64 {
    get(object, &["metadata", "generation"]).and_then(Value::as_i64).unwrap_or(0)
}

/// `metadata.labels`.
pub fn labels(object: &Value) -> Option<&Map<String, Value>> {
    get(object, &["metadata", "labels"])?.as_object()
}

/// One label. A label may be set and empty.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    labels(object)?.get(key)?.as_str()
}

/// `metadata.annotations`.
pub fn annotations(object: &Value) -> Option<&Map<String, Value>> {
    get(object, &["metadata", "annotations"])?.as_object()
}

/// One annotation. An annotation may be set and empty.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    annotations(object)?.get(key)?.as_str()
}

/// `metadata.finalizers`.
pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    list_at(object, "/metadata/finalizers").iter().filter_map(Value::as_str)
}

/// `metadata.ownerReferences`; entries that lack a required field are left out.
pub fn owner_references(object: &Value) -> Vec<OwnerReference> {
    let entries = list_at(object, "/metadata/ownerReferences").iter();
    entries.filter_map(|entry| OwnerReference::deserialize(entry).ok()).collect()
}

/// The owner that manages the object (`controller: true`), of which there is at most one.
pub fn controller_of(object: &Value) -> Option<OwnerReference> {
    let entries = list_at(object, "/metadata/ownerReferences").iter();
    let mut controllers = entries.filter(|entry| bool_at(entry, "/controller") == Some(true));
    OwnerReference::deserialize(controllers.next()?).ok()
}

/// `metadata.creationTimestamp`.
pub fn creation_timestamp(object: &Value) -> Option<Timestamp> {
    time_at(object, "/metadata/creationTimestamp")
}

/// `metadata.deletionTimestamp`: set once deletion has begun, the time the object should be gone by.
pub fn deletion_timestamp(object: &Value) -> Option<Timestamp> {
    time_at(object, "/metadata/deletionTimestamp")
}

/// `metadata.deletionGracePeriodSeconds`.
pub fn deletion_grace_period_seconds(object: &Value) -> Option<i64> {
    i64_at(object, "/metadata/deletionGracePeriodSeconds")
}

/// The time at a JSON pointer, in RFC 3339.
pub fn time_at(object: &Value, pointer: &str) -> Option<Timestamp> {
    parse_time(str_at(object, pointer)?).ok()
}

/// Sets `metadata.name`.
pub fn set_name(object: &mut Value, name: impl Into<String>) {
    set_metadata(object, "name", name);
}

/// Sets `metadata.namespace`; an empty one removes the field.
pub fn set_namespace(object: &mut Value, namespace: impl Into<String>) {
    let namespace = namespace.into();
    if namespace.is_empty() {
        remove(object, &["metadata", "namespace"]);
    } else {
        set_metadata(object, "namespace", namespace);
    }
}

/// Sets `metadata.uid`.
pub fn set_uid(object: &mut Value, uid: impl Into<String>) {
    set_metadata(object, "uid", uid);
}

/// Sets `metadata.resourceVersion`.
pub fn set_resource_version(object: &mut Value, resource_version: impl Into<String>) {
    set_metadata(object, "resourceVersion", resource_version);
}

/// Sets `metadata.generation`.
pub fn set_generation(object: &mut Value, generation: i64) {
    set(object, &["metadata", "generation"], Value::from(generation));
}

/// Sets `metadata.creationTimestamp`, cut to whole seconds.
pub fn set_creation_timestamp(object: &mut Value, time: Timestamp) {
    set_metadata(object, "creationTimestamp", format_time(time));
}

/// Sets `metadata.deletionTimestamp`, cut to whole seconds.
pub fn set_deletion_timestamp(object: &mut Value, time: Timestamp) {
    set_metadata(object, "deletionTimestamp", format_time(time));
}

/// Sets `metadata.deletionGracePeriodSeconds`.
pub fn set_deletion_grace_period_seconds(object: &mut Value, seconds: i64) {
    set(object, &["metadata", "deletionGracePeriodSeconds"], Value::from(seconds));
}

/// Sets one label.
pub fn set_label(object: &mut Value, key: &str, value: impl Into<String>) {
    set(object, &["metadata", "labels", key], Value::String(value.into()));
}

/// Sets one annotation.
pub fn set_annotation(object: &mut Value, key: &str, value: impl Into<String>) {
    set(object, &["metadata", "annotations", key], Value::String(value.into()));
}

/// Sets `metadata.finalizers`; an empty list removes the field.
pub fn set_finalizers(object: &mut Value, finalizers: Vec<String>) {
    if finalizers.is_empty() {
        remove(object, &["metadata", "finalizers"]);
    } else {
        set(object, &["metadata", "finalizers"], Value::from(finalizers));
    }
}

/// Sets `metadata.ownerReferences`; an empty list removes the field.
pub fn set_owner_references(object: &mut Value, references: &[OwnerReference]) {
    if references.is_empty() {
        remove(object, &["metadata", "ownerReferences"]);
        return;
    }
    let references = serde_json::to_value(references).expect("owner references hold strings and truth values only");
    set(object, &["metadata", "ownerReferences"], references);
}

#[cfg(test)]
mod tests;

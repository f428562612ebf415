//! The instructions a strategic merge patch carries among its data.

use super::Result;
use crate::patch::PatchError;
use serde_json::{Map, Value};

pub(super) const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
pub(super) const SET_ELEMENT_ORDER: &str = "$setElementOrder/";
pub(super) const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList/";

/// `$patch: replace` puts the patch in the object's place, `$patch: delete` empties it.
pub(super) fn whole_object(directive: &Value, patch: Map<String, Value>) -> Result<Map<String, Value>> {
    match directive.as_str() {
        Some("replace") => match cleaned(Value::Object(patch)) {
            Some(Value::Object(members)) => Ok(members),
            _ => Ok(Map::new()),
        },
        Some("delete") => Ok(Map::new()),
        _ => Err(unknown_directive(directive, &Value::Object(patch))),
    }
}

fn unknown_directive(directive: &Value, holder: &Value) -> PatchError {
    PatchError::Malformed(format!("unknown patch type: {directive} in map: {holder}"))
}

/// Carries out the elements that hold a directive and returns the others.
pub(super) fn apply_directives(list: &mut Vec<Value>, patch: Vec<Value>, merge_key: &str) -> Result<Vec<Value>> {
    let mut others = Vec::with_capacity(patch.len());
    let mut replace = false;
    for element in patch {
        let Some(directive) = element.get(PATCH) else {
            others.push(element);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let key = merge_key_of(&element, merge_key)?;
                list.retain(|existing| existing.get(merge_key) != Some(key));
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(PatchError::Malformed("merging lists cannot yet be specified in the patch".to_owned()));
            }
            _ => return Err(unknown_directive(directive, &element)),
        }
    }
    if replace {
        list.clear();
    }
    Ok(others)
}

pub(in crate::patch) fn merge_key_of<'v>(element: &'v Value, merge_key: &str) -> Result<&'v Value> {
    element.get(merge_key).ok_or_else(|| {
        PatchError::DoesNotApply(format!("map: {element} does not contain declared merge key: {merge_key}"))
    })
}

/// Removes the members that `$retainKeys` does not name.
pub(super) fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<()> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let malformed = || PatchError::Malformed("invalid patch format of retainKeys".to_owned());
    let keys = keys.as_array().ok_or_else(malformed)?;
    let retained = |name: &str| keys.iter().any(|key| key.as_str() == Some(name));
    let is_directive = |name: &str| name.starts_with(DELETE_FROM_PRIMITIVE_LIST) || name.starts_with(SET_ELEMENT_ORDER);
    if patch.iter().any(|(name, value)| !value.is_null() && !is_directive(name) && !retained(name)) {
        return Err(malformed());
    }
    original.retain(|name, _| retained(name));
    Ok(())
}

pub(super) fn delete_from_list(original: &mut Map<String, Value>, name: &str, deleted: &Value) -> Result<()> {
    let Value::Array(deleted) = deleted else {
        return Err(PatchError::Malformed("invalid patch format of primitive list".to_owned()));
    };
    if let Some(Value::Array(list)) = original.get_mut(name) {
        list.retain(|value| !deleted.contains(value));
    }
    Ok(())
}

pub(super) fn add_missing(list: &mut Vec<Value>, patch: &[Value]) {
    for value in patch {
        if !list.contains(value) {
            list.push(value.clone());
        }
    }
}

/// A value as it is stored when there was nothing to merge it with: without nulls and directives. `None`: the value itself is a directive.
pub(super) fn cleaned(value: Value) -> Option<Value> {
    match value {
        Value::Object(members) if members.contains_key(PATCH) => None,
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(name, value)| !value.is_null() && !is_list_directive(name));
            let kept = kept.filter_map(|(name, value)| Some((name, cleaned(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(list) => Some(Value::Array(list.into_iter().filter_map(cleaned).collect())),
        other => Some(other),
    }
}

fn is_list_directive(name: &str) -> bool {
    name == RETAIN_KEYS || name.starts_with(SET_ELEMENT_ORDER) || name.starts_with(DELETE_FROM_PRIMITIVE_LIST)
}

//! Setting what is not set.

use serde_json::{Map, Value};

/// The fields of one object.
pub(super) type Members = Map<String, Value>;

/// Sets a field that is absent or null: what is a pointer in Go, where a zero value is a choice.
pub(super) fn if_absent(members: &mut Members, name: &str, value: impl Into<Value>) {
    if members.get(name).is_none_or(Value::is_null) {
        members.insert(name.to_owned(), value.into());
    }
}

/// Sets a field that is absent or has a zero value: what is no pointer in Go, where the two cannot be told apart.
pub(super) fn if_zero(members: &mut Members, name: &str, value: impl Into<Value>) {
    if is_zero(members.get(name)) {
        members.insert(name.to_owned(), value.into());
    }
}

/// Whether a value is absent, null, empty or zero.
pub(super) fn is_zero(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Bool(value)) => !value,
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
    }
}

/// The text of a field; empty when absent.
pub(super) fn text<'a>(members: &'a Members, name: &str) -> &'a str {
    members.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The object in a field, made when absent. `None` when the field holds something else, which validation will refuse.
pub(super) fn object<'a>(members: &'a mut Members, name: &str) -> Option<&'a mut Members> {
    if_absent(members, name, Map::new());
    members.get_mut(name).and_then(Value::as_object_mut)
}

/// The objects in a list.
pub(super) fn objects<'a>(members: &'a mut Members, name: &str) -> impl Iterator<Item = &'a mut Members> {
    members.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

//! Cells that many tables share. Upstream: `pkg/printers/internalversion/printers.go`.

use jiff::Timestamp;
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::time::age as age_since;
use serde_json::Value;

/// What an absent text reads as.
pub(crate) const NONE: &str = "<none>";

pub(crate) fn text_column(name: &str, description: &str) -> Column {
    Column::new(name, "string", description)
}

pub(crate) fn number_column(name: &str, description: &str) -> Column {
    Column::new(name, "integer", description)
}

pub(crate) fn age_column() -> Column {
    text_column("Age", "Time since the object was created.")
}

/// `metadata.name`.
pub(crate) fn name(object: &Value) -> Cell {
    object::name(object).into()
}

/// Time since creation in kubectl's short form.
pub(crate) fn age(object: &Value, now: Timestamp) -> Cell {
    since(object, "/metadata/creationTimestamp", now)
}

/// Time since the moment at a pointer.
pub(crate) fn since(object: &Value, pointer: &str, now: Timestamp) -> Cell {
    match object::time_at(object, pointer) {
        Some(time) => age_since(time, now).into(),
        None => "<unknown>".into(),
    }
}

/// The text at a pointer; `absent` when it is not there or empty.
pub(crate) fn text(object: &Value, pointer: &str, absent: &str) -> Cell {
    object::str_at(object, pointer).unwrap_or(absent).into()
}

/// The number at a pointer; 0 when it is not there.
pub(crate) fn number(object: &Value, pointer: &str) -> i64 {
    object::i64_at(object, pointer).unwrap_or(0)
}

/// The number of entries of the map or list at a pointer.
pub(crate) fn count(object: &Value, pointer: &str) -> usize {
    match object.pointer(pointer) {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    }
}

/// `a=b,c=d` of the map at a pointer, `<none>` when it is empty.
pub(crate) fn map(object: &Value, pointer: &str) -> String {
    let pairs = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    let pairs: Vec<String> =
        pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    or_none(pairs.join(","))
}

/// A label selector in its short form, `<none>` when it selects nothing.
pub(crate) fn selector(object: &Value, pointer: &str) -> String {
    let selector = object.pointer(pointer);
    let parsed = selector.and_then(|selector| sampan_meta::selector::LabelSelector::from_json(selector).ok());
    or_none(parsed.map(|selector| selector.to_string()).unwrap_or_default())
}

pub(crate) fn or_none(text: String) -> String {
    if text.is_empty() { NONE.to_owned() } else { text }
}

/// Names and images of the containers in a pod template, each joined by commas.
pub(crate) fn containers(object: &Value, pointer: &str) -> (String, String) {
    let containers = object::list_at(object, pointer).iter();
    let joined = |field: &str| {
        let texts = containers.clone().map(|container| object::str_at(container, field).unwrap_or_default());
        texts.collect::<Vec<_>>().join(",")
    };
    (joined("/name"), joined("/image"))
}

/// The three wide columns about a workload's template.
pub(crate) fn template_columns() -> [Column; 3] {
    [
        text_column("Containers", "Names of each container in the template.").wide(),
        text_column("Images", "Images referenced by each container in the template.").wide(),
        text_column("Selector", "Label selector for pods.").wide(),
    ]
}

//! What the new version asks of an Event and the old one does not, about the stored form.
//! Upstream: `pkg/apis/core/validation/events.go`, `ValidateEventCreate` and `ValidateEventUpdate`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use crate::validation::immutable;

/// Stored member and the path errors name it by: what no update may change.
const FIXED: [(&str, &str); 13] = [
    ("involvedObject", "involvedObject"),
    ("reason", "reason"),
    ("message", "message"),
    ("source", "source"),
    ("firstTimestamp", "firstTimestamp"),
    ("lastTimestamp", "lastTimestamp"),
    ("count", "count"),
    ("type", "type"),
    ("eventTime", "eventTime"),
    ("action", "action"),
    ("related", "related"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
];

pub(super) fn validate(event: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_series(&mut errors, event);
    if object::str_at(event, "/eventTime").is_none() {
        errors.push(field::required(&Path::new("eventTime"), ""));
    }
    let type_ = object::str_at(event, "/type").unwrap_or_default();
    if !matches!(type_, "Normal" | "Warning") {
        errors.push(field::invalid(&Path::new("type"), "", format!("has invalid value: {type_}")));
    }
    for name in ["firstTimestamp", "lastTimestamp", "count", "source"] {
        if event.get(name).is_some_and(|value| !is_zero(value)) {
            errors.push(field::invalid(&Path::new(name), "", "needs to be unset"));
        }
    }
    errors
}

pub(super) fn validate_update(event: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    if event.get("series") != old.get("series") {
        validate_series(&mut errors, event);
    }
    for (member, path) in FIXED {
        immutable(&mut errors, event, old, &format!("/{member}"), &Path::new(path));
    }
    errors
}

/// Upstream: `validateV1EventSeries`.
fn validate_series(errors: &mut ErrorList, event: &Value) {
    let Some(series) = event.get("series").filter(|series| series.is_object()) else { return };
    if object::i64_at(series, "/count").unwrap_or(0) < 2 {
        errors.push(field::invalid(&Path::new("series.count"), "", "should be at least 2"));
    }
    if object::str_at(series, "/lastObservedTime").is_none() {
        errors.push(field::required(&Path::new("series.lastObservedTime"), ""));
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Array(_) => false,
    }
}

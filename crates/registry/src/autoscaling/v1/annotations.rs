//! The annotations in which `autoscaling/v1` carries what it has no fields for. Upstream: `pkg/apis/autoscaling/annotations.go`.

use sampan_meta::object;
use serde_json::{Map, Value};

pub(super) const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
pub(super) const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
pub(super) const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// Takes out a list. One that cannot be read is dropped without a word, as upstream does.
pub(super) fn take_list(object: &mut Value, key: &str) -> Option<Vec<Value>> {
    let text = object::remove(object, &["metadata", "annotations", key])?;
    serde_json::from_str(text.as_str()?).ok()
}

pub(super) fn put_list(object: &mut Value, key: &str, list: Vec<Value>) {
    if !list.is_empty() {
        object::set_annotation(object, key, Value::from(list).to_string());
    }
}

/// Takes out the behavior. Its members are written as Go names them, since upstream encodes its internal type.
pub(super) fn take_behavior(object: &mut Value) -> Option<Value> {
    let text = object::remove(object, &["metadata", "annotations", BEHAVIOR])?;
    let behavior: Value = serde_json::from_str(text.as_str()?).ok()?;
    Some(renamed(&behavior, lower)).filter(|behavior| behavior.as_object().is_some_and(|members| !members.is_empty()))
}

pub(super) fn put_behavior(object: &mut Value, behavior: &Value) {
    object::set_annotation(object, BEHAVIOR, renamed(behavior, upper).to_string());
}

pub(super) fn drop_all(object: &mut Value) {
    for key in [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR] {
        object::remove(object, &["metadata", "annotations", key]);
    }
    tidy(object);
}

/// Leaves no empty map behind.
pub(super) fn tidy(object: &mut Value) {
    if object::annotations(object).is_some_and(Map::is_empty) {
        object::remove(object, &["metadata", "annotations"]);
    }
}

/// The same value with other names of members; members that are null are left out.
fn renamed(value: &Value, name: fn(&str) -> String) -> Value {
    match value {
        Value::Object(members) => {
            let given = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(key, value)| (name(key), renamed(value, name))).collect())
        }
        Value::Array(list) => list.iter().map(|value| renamed(value, name)).collect(),
        other => other.clone(),
    }
}

fn upper(name: &str) -> String {
    first(name, |letter| letter.to_ascii_uppercase())
}

fn lower(name: &str) -> String {
    first(name, |letter| letter.to_ascii_lowercase())
}

fn first(name: &str, change: fn(&char) -> char) -> String {
    let mut letters = name.chars();
    letters.next().map(|letter| change(&letter)).into_iter().chain(letters).collect()
}

//! `status.conditions`: a list keyed by type.

use sampan_meta::object;
use serde_json::Value;

/// Sets a condition. The transition time stays when the status does.
pub(crate) fn set(object: &mut Value, mut condition: Value) {
    let status = object::child(object, "status");
    let conditions = match status.get_mut("conditions") {
        Some(Value::Array(conditions)) => conditions,
        _ => {
            status["conditions"] = Value::Array(Vec::new());
            status["conditions"].as_array_mut().expect("set to a list above")
        }
    };
    match conditions.iter_mut().find(|present| present["type"] == condition["type"]) {
        Some(present) => {
            if present["status"] == condition["status"] {
                condition["lastTransitionTime"] = present["lastTransitionTime"].clone();
            }
            *present = condition;
        }
        None => conditions.push(condition),
    }
}

/// The condition of a type.
pub(crate) fn get<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    let conditions = object::list_at(object, "/status/conditions");
    conditions.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(type_))
}

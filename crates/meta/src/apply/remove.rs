//! Fields taken out of a value, or a value made of nothing but them. Upstream: `typed/remove.go`.

use serde_json::{Map, Value};

use super::items;
use super::set::{FieldSet, Node};
use super::typed::{Place, Typed};

/// The value without these fields. An object or list that loses all it has becomes null.
pub fn remove(typed: Typed<'_>, value: &Value, fields: &FieldSet<'_>) -> Value {
    if typed.is_atomic() {
        return Value::Null;
    }
    let kept = |typed: Typed<'_>, value: &Value, node: Option<&Node<'_>>| match node {
        None => Some(value.clone()),
        Some(node) if node.member => None,
        Some(node) => Some(remove(typed, value, &node.children)),
    };
    walk(typed, value, fields, kept).unwrap_or(Value::Null)
}

/// The value with these fields only. What is empty stays as it is.
pub fn extract(typed: Typed<'_>, value: &Value, fields: &FieldSet<'_>) -> Value {
    if typed.is_atomic() || is_empty(value) {
        return value.clone();
    }
    let kept = |typed: Typed<'_>, value: &Value, node: Option<&Node<'_>>| match node {
        None => None,
        Some(node) if node.children.is_empty() => Some(value.clone()),
        Some(node) => Some(extract(typed, value, &node.children)),
    };
    walk(typed, value, fields, kept).unwrap_or(Value::Null)
}

/// Rebuilds an object or list of what `kept` leaves of its children; `None` when that is nothing.
fn walk(
    typed: Typed<'_>,
    value: &Value,
    fields: &FieldSet<'_>,
    kept: impl Fn(Typed<'_>, &Value, Option<&Node<'_>>) -> Option<Value>,
) -> Option<Value> {
    match (typed.place, value) {
        (_, Value::Object(members)) => {
            let mut out = Map::new();
            for (name, value) in members {
                let node = fields.node(&super::PathElement::field(name));
                if let Some(value) = kept(typed.member(name), value, node) {
                    out.insert(name.clone(), value);
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        (Place::List(_), Value::Array(list)) => {
            let node = |item| items::element(typed, item).ok().and_then(|element| fields.node(&element));
            let out: Vec<Value> = list.iter().filter_map(|item| kept(typed.item(), item, node(item))).collect();
            (!out.is_empty()).then_some(Value::Array(out))
        }
        (Place::Deduced, Value::Array(_)) => None,
        (_, value) => Some(value.clone()),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

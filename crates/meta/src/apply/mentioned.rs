//! The fields a configuration mentions. Upstream: `TypedValue.ToFieldSet`.

use serde_json::{Map, Value};

use super::element::PathElement;
use super::items;
use super::set::FieldSet;
use super::typed::{Place, Typed};

/// Every leaf, list element and map entry of the value. Objects of declared fields are no members themselves, their fields are.
///
/// The value has been [`check`](super::check)ed; what cannot be told apart in it is left out.
pub fn mentioned<'a>(typed: Typed<'_>, value: &'a Value) -> FieldSet<'a> {
    at(typed, value).1
}

/// Whether the place itself is a member, and the members below.
fn at<'a>(typed: Typed<'_>, value: &'a Value) -> (bool, FieldSet<'a>) {
    if typed.is_leaf() {
        return (true, FieldSet::new());
    }
    match (typed.place, value) {
        (_, Value::Object(members)) => (false, of_members(typed, members)),
        (Place::Deduced, Value::Null) => (false, FieldSet::new()),
        (Place::Deduced, _) => (true, FieldSet::new()),
        (_, Value::Array(list)) => (false, of_list(typed, list)),
        _ => (false, FieldSet::new()),
    }
}

fn of_members<'a>(typed: Typed<'_>, members: &'a Map<String, Value>) -> FieldSet<'a> {
    let mut set = FieldSet::new();
    for (name, value) in members {
        let (leaf, below) = at(typed.member(name), value);
        let bare = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        let member = leaf || bare || !typed.is_declared(name);
        set.push(PathElement::field(name), member, below);
    }
    set
}

fn of_list<'a>(typed: Typed<'_>, list: &'a [Value]) -> FieldSet<'a> {
    let mut set = FieldSet::new();
    let inner = typed.item();
    for alike in items::sorted(typed, list).unwrap_or_default().chunk_by(|one, other| one.0 == other.0) {
        let below = match alike {
            [(_, item)] => at(inner, item).1,
            // Elements that cannot be told apart are owned together.
            _ => FieldSet::new(),
        };
        set.push(alike[0].0.clone(), true, below);
    }
    set
}

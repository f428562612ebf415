//! The elements of lists by what tells them apart.

use std::borrow::Cow;

use serde_json::Value;

use super::element::{PathElement, Scalar};
use super::typed::{Place, Typed};
use crate::schema::{Field, ListType};

/// The elements of a list, sorted by what tells them apart; those that are alike follow each other in the order of the list.
pub(super) fn sorted<'a>(typed: Typed<'_>, list: &'a [Value]) -> Result<Vec<(PathElement<'a>, &'a Value)>, String> {
    let mut items = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let element = element(typed, item).map_err(|why| format!("element {index}: {why}"))?;
        items.push((element, item));
    }
    items.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(items)
}

/// What tells an element of a set or map list apart from the others. Upstream: `listItemToPathElement`.
///
/// # Errors
/// Why it cannot be told, in upstream's words.
pub(super) fn element<'a>(typed: Typed<'_>, item: &'a Value) -> Result<PathElement<'a>, String> {
    match typed.place {
        Place::List(field) if field.list == ListType::Set => of_set(item),
        Place::List(field) if field.list != ListType::Atomic => of_map(typed, field, item),
        _ => Err("invalid indexing of non-associative list".to_owned()),
    }
}

fn of_set(item: &Value) -> Result<PathElement<'_>, String> {
    let why = match item {
        Value::Object(_) => "associative list without keys has an element that's a map type",
        Value::Array(_) => "not supported: associative list with lists as elements",
        Value::Null => "associative list without keys has an element that's an explicit null",
        item => return Ok(PathElement::Value(Scalar::of(item))),
    };
    Err(why.to_owned())
}

fn of_map<'a>(typed: Typed<'_>, field: &Field, item: &'a Value) -> Result<PathElement<'a>, String> {
    let members = match item {
        Value::Object(members) => members,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let inner = typed.item();
    let mut key = Vec::with_capacity(2);
    for name in field.list_map_keys() {
        let value = members.get(name).map(Scalar::of).or_else(|| default(inner, name));
        key.extend(value.map(|value| (Cow::Borrowed(name), value)));
    }
    if key.is_empty() {
        let keys: Vec<String> = field.list_map_keys().map(|name| format!("{name:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            keys.join(" ")
        ));
    }
    key.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(PathElement::Key(key))
}

/// The default OpenAPI knows for a key: `protocol` of a port is TCP.
fn default(item: Typed<'_>, name: &str) -> Option<Scalar<'static>> {
    let text = item.declared(name)?.default?;
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) if !text.contains('\\') => Some(Scalar::String(Cow::Borrowed(text))),
        _ => serde_json::from_str(text).ok().map(|value: Value| Scalar::of(&value).into_owned()),
    }
}

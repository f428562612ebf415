//! The elements of lists by what tells them apart.

use std::borrow::Cow;

use serde_json::Value;

use super::described::Items;
use super::element::{PathElement, Scalar};
use super::typed::{ListOf, Place, Typed};
use crate::schema::ListType;

const NOT_ASSOCIATIVE: &str = "invalid indexing of non-associative list";

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
        Place::List(ListOf::Field(field)) => match field.list {
            ListType::Set => of_set(item),
            ListType::Map(_) => of_map(typed, field.list_map_keys().map(borrowed), item),
            ListType::Atomic => Err(NOT_ASSOCIATIVE.to_owned()),
        },
        Place::List(ListOf::Described(described)) => match described.items() {
            Items::Set => of_set(item),
            Items::Map(keys) => of_map(typed, keys.iter().cloned().map(Cow::Owned), item),
            Items::Atomic => Err(NOT_ASSOCIATIVE.to_owned()),
        },
        _ => Err(NOT_ASSOCIATIVE.to_owned()),
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

fn of_map<'a>(
    typed: Typed<'_>,
    keys: impl Iterator<Item = Cow<'a, str>> + Clone,
    item: &'a Value,
) -> Result<PathElement<'a>, String> {
    let members = match item {
        Value::Object(members) => members,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let inner = typed.item();
    let mut key = Vec::with_capacity(2);
    for name in keys.clone() {
        let value = members.get(&*name).map(Scalar::of).or_else(|| default(inner, &name));
        key.extend(value.map(|value| (name, value)));
    }
    if key.is_empty() {
        let keys: Vec<String> = keys.map(|name| format!("{name:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            keys.join(" ")
        ));
    }
    key.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(PathElement::Key(key))
}

/// The default of a key: `protocol` of a port is TCP.
fn default(item: Typed<'_>, name: &str) -> Option<Scalar<'static>> {
    Some(Scalar::of(&*item.default_of(name)?).into_owned())
}

/// A name of the table as a part of any path.
fn borrowed<'a>(name: &'static str) -> Cow<'a, str> {
    Cow::Borrowed(name)
}

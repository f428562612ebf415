//! Sets as JSON: `{"f:metadata":{"f:labels":{".":{},"f:app":{}}}}`. Upstream: `fieldpath/serialize.go`.

use serde_json::{Map, Value};

use super::element::{PathElement, write_string};
use super::set::{FieldSet, Node};
use super::typed::Typed;

/// What marks an element that is itself a member, beside its members below.
const SELF: &str = ".";

/// Why a value is no set of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsV1Error {
    /// A set is an object of objects.
    #[error("fieldsV1 must hold objects only")]
    NotAnObject,
    /// A key of an object is no path element.
    #[error("parsing key {key:?} as path element: {why}")]
    BadElement { key: String, why: String },
}

impl<'a> FieldSet<'a> {
    /// Reads `fieldsV1`.
    ///
    /// # Errors
    /// When it is no set. Kinds of elements nobody knows yet are left out.
    pub fn from_json(value: &'a Value) -> Result<Self, FieldsV1Error> {
        read(value, None).map(|(set, _)| set)
    }

    /// Reads `fieldsV1` that may have been written when the schema was another: what is owned as a whole now becomes one member.
    /// Upstream: `typed.ReconcileFieldSetWithSchema`.
    ///
    /// # Errors
    /// As [`FieldSet::from_json`].
    pub fn from_json_typed(value: &'a Value, typed: Typed<'_>) -> Result<Self, FieldsV1Error> {
        read(value, Some(typed)).map(|(set, _)| set)
    }

    /// As `fieldsV1`. What sorts its keys by text, as this value does, loses upstream's order; [`write_fields_v1`] brings it back.
    pub fn to_json(&self) -> Value {
        Value::Object(self.nodes.iter().map(|node| (node.element.to_json_key(), node_json(node))).collect())
    }
}

fn node_json(node: &Node<'_>) -> Value {
    let mut members = Map::new();
    if node.member && !node.children.is_empty() {
        members.insert(SELF.to_owned(), Value::Object(Map::new()));
    }
    members.extend(node.children.nodes.iter().map(|child| (child.element.to_json_key(), node_json(child))));
    Value::Object(members)
}

/// The set below, and whether the element itself is a member: an object without content says so.
fn read<'a>(value: &'a Value, typed: Option<Typed<'_>>) -> Result<(FieldSet<'a>, bool), FieldsV1Error> {
    let members = value.as_object().ok_or(FieldsV1Error::NotAnObject)?;
    let mut member = false;
    let mut set = FieldSet::new();
    for (key, value) in members {
        if key == SELF {
            member = true;
            continue;
        }
        let bad = |why| FieldsV1Error::BadElement { key: key.clone(), why };
        let Some(element) = PathElement::parse(key).map_err(bad)? else { continue };
        let inner = typed.map(|typed| typed.child(&element));
        let (children, is_member) = read(value, inner)?;
        set.nodes.push(match inner {
            Some(inner) if inner.is_atomic() && !children.is_empty() => Node::leaf(element),
            _ => Node { element, member: is_member, children },
        });
    }
    // Fields come in order already; keys and values by their text.
    if !set.nodes.is_sorted_by(|one, other| one.element < other.element) {
        set.nodes.sort_by(|one, other| one.element.cmp(&other.element));
        set.nodes.dedup_by(|one, other| one.element == other.element);
    }
    member |= set.is_empty();
    Ok((set, member))
}

/// Writes a `fieldsV1` value as JSON with its keys in upstream's order: numbers by size, not by their digits.
pub fn write_fields_v1(value: &Value, out: &mut String) {
    let Some(members) = value.as_object() else {
        out.push_str(&value.to_string());
        return;
    };
    out.push('{');
    let by_text = members.keys().all(|key| key == SELF || key.starts_with("f:"));
    if by_text {
        members.iter().enumerate().for_each(|(index, member)| write_member(index, member, out));
    } else {
        let mut sorted: Vec<_> =
            members.iter().map(|member| (PathElement::parse(member.0).ok().flatten(), member)).collect();
        sorted.sort_by(|one, other| one.0.cmp(&other.0));
        sorted.into_iter().enumerate().for_each(|(index, (_, member))| write_member(index, member, out));
    }
    out.push('}');
}

fn write_member(index: usize, (key, value): (&String, &Value), out: &mut String) {
    if index > 0 {
        out.push(',');
    }
    write_string(key, out);
    out.push(':');
    write_fields_v1(value, out);
}

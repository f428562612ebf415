//! What the schema says of a place in an object, as server-side apply has to know it.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::described::{Described, Form};
use super::element::PathElement;
use crate::schema::{Element, Field, ListType, Schema, Shape, Type};

/// A place in an object: what may be there and how it is owned. Small, to be copied.
#[derive(Clone, Copy, Debug)]
pub struct Typed<'s> {
    pub(super) place: Place<'s>,
    /// Owned as a whole.
    atomic: bool,
    schema: Option<&'s Schema>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'s> {
    Scalar(Plain),
    /// An object of declared fields.
    Struct(&'s Type),
    /// An object whose values are as the field says.
    Map(&'s Field),
    /// An object as a schema of run time says.
    Object(&'s Described),
    /// A list whose elements are as this says.
    List(ListOf<'s>),
    /// Any value, owned as a whole.
    Any,
    /// No schema: objects are owned field by field, lists as a whole.
    Deduced,
}

/// What says how the elements of a list are.
#[derive(Clone, Copy, Debug)]
pub(super) enum ListOf<'s> {
    Field(&'s Field),
    Described(&'s Described),
}

/// Sorts of plain values, as upstream's schema has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Number,
    String,
    Boolean,
    /// Quantities, numbers or names of ports.
    Untyped,
}

impl<'s> Typed<'s> {
    /// The root of an object of this type.
    pub fn of(schema: &'s Schema, type_: &'s Type) -> Self {
        Self { place: Place::Struct(type_), atomic: type_.atomic, schema: Some(schema) }
    }

    /// The root of an object nothing is known of: objects are granular, lists atomic.
    pub fn deduced() -> Typed<'static> {
        Typed { place: Place::Deduced, atomic: false, schema: None }
    }

    /// The root of an object whose schema became known at run time.
    pub fn described(described: &'s Described) -> Self {
        let place = match &described.form {
            Form::Number => Place::Scalar(Plain::Number),
            Form::String => Place::Scalar(Plain::String),
            Form::Boolean => Place::Scalar(Plain::Boolean),
            Form::IntOrString => Place::Scalar(Plain::Untyped),
            Form::Object { .. } => Place::Object(described),
            Form::List { .. } => Place::List(ListOf::Described(described)),
            Form::Deduced => Place::Deduced,
            Form::Table(schema, type_) => return Self::of(schema, type_),
        };
        Self { place, atomic: described.atomic, schema: None }
    }

    /// Whether what is here is one leaf: a plain value, or owned as a whole.
    pub fn is_leaf(&self) -> bool {
        self.atomic || matches!(self.place, Place::Scalar(_) | Place::Any)
    }

    /// Whether an object or list here is owned as a whole.
    pub(super) fn is_atomic(&self) -> bool {
        self.atomic || matches!(self.place, Place::Any)
    }

    /// The place of a member of an object. Whatever has no declared place is [`Place::Any`].
    pub(super) fn member(&self, name: &str) -> Self {
        match self.place {
            Place::Struct(type_) => type_.field(name).map_or_else(|| self.any(), |field| self.of_field(field)),
            Place::Map(field) => self.of_element(field.element, false),
            Place::Object(described) => described.member(name).map_or_else(|| self.any(), Self::described),
            Place::Deduced => *self,
            _ => self.any(),
        }
    }

    /// The place of every element of a list.
    pub(super) fn item(&self) -> Self {
        match self.place {
            Place::List(ListOf::Field(field)) => self.of_element(field.element, false),
            Place::List(ListOf::Described(described)) => described.item().map_or_else(|| self.any(), Self::described),
            _ => self.any(),
        }
    }

    /// The place at a path element.
    pub(super) fn child(&self, element: &PathElement<'_>) -> Self {
        match element {
            PathElement::Field(name) => self.member(name),
            _ => self.item(),
        }
    }

    /// Whether an object here may have this member.
    pub(super) fn declares(&self, name: &str) -> bool {
        match self.place {
            Place::Struct(type_) => type_.field(name).is_some(),
            Place::Object(described) => described.member(name).is_some(),
            _ => true,
        }
    }

    /// Whether a field of this name is declared; entries of maps are not.
    pub(super) fn is_declared(&self, name: &str) -> bool {
        match self.place {
            Place::Object(described) => described.declares(name),
            _ => self.declared(name).is_some(),
        }
    }

    /// The default of a member, for what tells elements of lists apart.
    pub(super) fn default_of(&self, name: &str) -> Option<Cow<'s, Value>> {
        match self.place {
            Place::Object(described) => described.default_of(name).map(Cow::Borrowed),
            _ => serde_json::from_str(self.declared(name)?.default?).ok().map(Cow::Owned),
        }
    }

    /// The declared field of this name in the table; entries of maps are not declared.
    pub(super) fn declared(&self, name: &str) -> Option<&'s Field> {
        match self.place {
            Place::Struct(type_) => type_.field(name),
            _ => None,
        }
    }

    /// What Go's encoding has for a declared field that is left out here: an empty object for a struct that is no pointer, null for what
    /// is never omitted. Stored objects are without these.
    pub(super) fn written(&self, name: &str) -> Option<&'static Value> {
        self.declared(name).and_then(written)
    }

    /// The fields Go's encoding always has, sorted by name.
    pub(super) fn always_written(&self) -> impl Iterator<Item = (&'static str, &'static Value)> {
        let fields = match self.place {
            Place::Struct(type_) => type_.fields(),
            _ => &[],
        };
        fields.iter().filter_map(|field| Some((field.name, written(field)?)))
    }

    fn any(&self) -> Self {
        Self { place: Place::Any, atomic: true, schema: self.schema }
    }

    fn of_field(&self, field: &'s Field) -> Self {
        match field.shape {
            Shape::One => self.of_element(field.element, field.atomic_map),
            Shape::List => Self {
                place: Place::List(ListOf::Field(field)),
                atomic: field.list == ListType::Atomic,
                schema: self.schema,
            },
            Shape::Map => Self { place: Place::Map(field), atomic: field.atomic_map, schema: self.schema },
        }
    }

    fn of_element(&self, element: Element, atomic: bool) -> Self {
        let scalar = |plain| Self { place: Place::Scalar(plain), atomic: false, schema: self.schema };
        match (element, self.schema) {
            (Element::String | Element::Bytes | Element::Time | Element::MicroTime, _) => scalar(Plain::String),
            (Element::Int32 | Element::Int64 | Element::Double, _) => scalar(Plain::Number),
            (Element::Bool, _) => scalar(Plain::Boolean),
            (Element::Quantity | Element::IntOrString, _) => scalar(Plain::Untyped),
            (Element::Message(id), Some(schema)) => {
                let type_ = schema.type_at(id);
                Self { place: Place::Struct(type_), atomic: atomic || type_.atomic, schema: self.schema }
            }
            _ => self.any(),
        }
    }
}

fn written(field: &Field) -> Option<&'static Value> {
    static NULL: Value = Value::Null;
    static FALSE: Value = Value::Bool(false);
    static EMPTY: LazyLock<[Value; 3]> =
        LazyLock::new(|| [Value::Object(Map::new()), Value::String(String::new()), Value::from(0)]);
    // The one time that Go leaves out when it is zero (`omitzero`).
    if !field.always || field.name == "creationTimestamp" {
        return None;
    }
    Some(match (field.shape, field.element) {
        (Shape::One, Element::Message(_)) if !field.nullable => &EMPTY[0],
        (Shape::One, Element::String) => &EMPTY[1],
        (Shape::One, Element::Int32 | Element::Int64 | Element::Double) => &EMPTY[2],
        (Shape::One, Element::Bool) => &FALSE,
        _ => &NULL,
    })
}

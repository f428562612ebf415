//! Which values are the same, and which is less.

use std::cmp::Ordering;

use super::{Key, Value};
use crate::error::Error;
use crate::types::Order;

impl Value<'_> {
    /// Whether both are the same. Numbers are compared by what they mean, whatever their types; different kinds are never the same.
    pub fn equals(&self, other: &Value<'_>) -> bool {
        use Value as V;
        match (self, other) {
            (V::Null, V::Null) => true,
            (V::Bool(one), V::Bool(other)) => one == other,
            (V::Int(_) | V::Uint(_) | V::Double(_), V::Int(_) | V::Uint(_) | V::Double(_)) => {
                number_order(self, other) == Some(Ordering::Equal)
            }
            (V::String(one), V::String(other)) => **one == **other,
            (V::Bytes(one), V::Bytes(other)) => one == other,
            (V::Timestamp(one), V::Timestamp(other)) => one == other,
            (V::Duration(one), V::Duration(other)) => one == other,
            (V::Type(one), V::Type(other)) => one == other,
            (V::List(_) | V::JsonList(..), V::List(_) | V::JsonList(..)) => lists_equal(self, other),
            (V::Map(_) | V::JsonMap(..), V::Map(_) | V::JsonMap(..)) => maps_equal(self, other),
            (V::Optional(None), V::Optional(None)) => true,
            (V::Optional(Some(one)), V::Optional(Some(other))) => one.equals(other),
            (V::Struct(one), V::Struct(other)) => {
                one.name == other.name
                    && one.fields.len() == other.fields.len()
                    && one.fields.iter().all(|(name, value)| {
                        other.fields.get(name).is_some_and(|counterpart| value.equals(counterpart))
                    })
            }
            (V::Quantity(one), V::Quantity(other)) => one == other,
            (V::Ip(one), V::Ip(other)) => one == other,
            (V::Cidr(one), V::Cidr(other)) => one == other,
            (V::Url(one), V::Url(other)) => one == other,
            (V::Semver(one), V::Semver(other)) => one == other,
            (V::Format(one), V::Format(other)) => std::ptr::eq(*one, *other),
            _ => false,
        }
    }

    /// Which comes first.
    ///
    /// # Errors
    /// For kinds that have no order, or not among each other.
    pub(crate) fn compare(&self, other: &Value<'_>) -> Result<Ordering, Error> {
        use Value as V;
        Ok(match (self, other) {
            (V::Bool(one), V::Bool(other)) => one.cmp(other),
            (V::String(one), V::String(other)) => one.cmp(other),
            (V::Bytes(one), V::Bytes(other)) => one.cmp(other),
            (V::Timestamp(one), V::Timestamp(other)) => one.cmp(other),
            (V::Duration(one), V::Duration(other)) => one.cmp(other),
            _ => number_order(self, other).ok_or_else(Error::no_such_overload)?,
        })
    }
}

/// `None` when one of them is no number, or none at all.
fn number_order(one: &Value<'_>, other: &Value<'_>) -> Option<Ordering> {
    match (one, other) {
        (Value::Double(one), Value::Double(other)) => one.partial_cmp(other),
        (Value::Double(one), other) => double_order(*one, whole(other)?),
        (one, Value::Double(other)) => double_order(*other, whole(one)?).map(Ordering::reverse),
        _ => Some(whole(one)?.cmp(&whole(other)?)),
    }
}

fn whole(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

fn double_order(double: f64, whole: i128) -> Option<Ordering> {
    // Every 64-bit number fits; what is beyond saturates, on the right side.
    #[allow(clippy::cast_possible_truncation)]
    let truncated = double.trunc() as i128;
    match double.is_nan() {
        true => None,
        false => Some(truncated.cmp(&whole).then_with(|| double.fract().partial_cmp(&0.0).unwrap_or(Ordering::Equal))),
    }
}

fn lists_equal(one: &Value<'_>, other: &Value<'_>) -> bool {
    if one.size() != other.size() {
        return false;
    }
    let order = if *one.order() == Order::Atomic { other.order() } else { one.order() };
    let (Ok(ones), Ok(others)) = (one.items(), other.items()) else { return false };
    match order {
        Order::Atomic => ones.iter().zip(&others).all(|(one, other)| one.equals(other)),
        Order::Set | Order::Keyed(_) => {
            let found = |item: &Value<'_>, among: &[Value<'_>]| among.iter().any(|other| other.equals(item));
            ones.iter().all(|item| found(item, &others)) && others.iter().all(|item| found(item, &ones))
        }
    }
}

fn maps_equal(one: &Value<'_>, other: &Value<'_>) -> bool {
    let Ok(keys) = one.keys() else { return false };
    let same = |key: &Value<'_>| {
        let Ok(key) = Key::of(key) else { return false };
        match (raw_entry(one, &key), raw_entry(other, &key)) {
            (Some(one), Some(other)) => one.equals(&other),
            _ => false,
        }
    };
    one.size() == other.size() && keys.iter().all(same)
}

/// An entry by its name in JSON, for objects as well.
fn raw_entry<'a>(map: &Value<'a>, key: &Key) -> Option<Value<'a>> {
    match (map, key) {
        (Value::JsonMap(members, crate::types::Type::Object(object)), Key::String(name)) => {
            let field = object.fields.values().find(|field| *field.json == **name);
            let type_ = field.map_or(&crate::types::DYN, |field| &field.type_);
            members.get(&**name).map(|json| Value::typed(json, type_))
        }
        _ => map.entry(key),
    }
}

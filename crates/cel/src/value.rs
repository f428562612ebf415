//! What expressions are about and what they come to.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sampan_meta::Quantity;
use serde_json::{Map as JsonObject, Value as Json};

use crate::budget::Budget;
use crate::error::Error;
use crate::types::{DYN, Order, Type};

mod compare;
mod json;

/// How deep what an expression builds may be, variables of variables included.
const MAX_DEPTH: u16 = 400;

/// A value. What comes from JSON is looked at where it lies: nothing is copied but what is built anew.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'a>),
    Bytes(Arc<[u8]>),
    Timestamp(Timestamp),
    Duration(SignedDuration),
    /// The name of a type.
    Type(Arc<str>),
    List(Arc<List<'a>>),
    Map(Arc<Map<'a>>),
    /// A list in JSON, and the type of the whole.
    JsonList(&'a [Json], &'a Type),
    /// An object or map in JSON, and its type.
    JsonMap(&'a JsonObject<String, Json>, &'a Type),
    Optional(Option<Arc<Value<'a>>>),
    /// A message an expression builds: `Object.spec{replicas: 1}`.
    Struct(Arc<Struct<'a>>),
    Quantity(Quantity),
    Ip(IpAddr),
    Cidr(Cidr),
    Url(Arc<crate::functions::url::Url>),
    Semver(Arc<semver::Version>),
    /// A named format.
    Format(&'static crate::functions::format::Format),
    /// Something whose fields and methods are elsewhere.
    Host(Arc<dyn Host<'a> + 'a>),
}

/// A text, of the input or made.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    Borrowed(&'a str),
    Shared(Arc<str>),
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

/// A list an expression made.
#[derive(Debug)]
pub struct List<'a> {
    pub(crate) items: Vec<Value<'a>>,
    depth: u16,
}

/// A map an expression made.
#[derive(Debug)]
pub struct Map<'a> {
    pub(crate) entries: BTreeMap<Key, Value<'a>>,
    depth: u16,
}

/// A message an expression made.
#[derive(Debug)]
pub struct Struct<'a> {
    pub(crate) name: Arc<str>,
    pub(crate) fields: BTreeMap<Arc<str>, Value<'a>>,
    depth: u16,
}

/// What a map is asked by. Whole numbers are the same key whatever their type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(Arc<str>),
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

/// A value with fields and methods of its own, such as the authorizer or variables that are computed when first asked for.
///
/// # Contract
/// Answers `None` for what it does not have, and charges for what it does.
pub trait Host<'a>: fmt::Debug + Send + Sync {
    /// The name of its type.
    fn type_name(&self) -> &'static str;

    /// One of its fields.
    fn select(&self, field: &str, budget: &mut Budget) -> Option<Result<Value<'a>, Error>> {
        let _ = (field, budget);
        None
    }

    /// One of its methods.
    fn call(&self, method: &str, args: &[Value<'a>], budget: &mut Budget) -> Option<Result<Value<'a>, Error>> {
        let _ = (method, args, budget);
        None
    }
}

/// A double as the whole number it is, where doubles are exact.
fn exact(value: f64) -> Option<i64> {
    let is_whole = value.fract() == 0.0 && value.abs() < 9e15;
    #[allow(clippy::cast_possible_truncation)]
    is_whole.then_some(value as i64)
}

fn deeper<'v, 'a: 'v>(values: impl Iterator<Item = &'v Value<'a>>) -> Result<u16, Error> {
    let depth = values.map(Value::depth).max().unwrap_or(0);
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(Error::failed("value is nested too deep")) }
}

impl<'a> Value<'a> {
    /// Looks at JSON of which nothing is known.
    pub fn json(json: &'a Json) -> Self {
        Self::typed(json, &DYN)
    }

    /// Looks at JSON that has a type: texts become timestamps, durations and bytes where it says so.
    pub fn typed(json: &'a Json, type_: &'a Type) -> Self {
        json::from(json, type_)
    }

    /// A text that is made.
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(Text::Shared(text.into()))
    }

    /// A list.
    ///
    /// # Errors
    /// When it would be nested too deep.
    pub fn list(items: Vec<Value<'a>>) -> Result<Self, Error> {
        let depth = deeper(items.iter())?;
        Ok(Self::List(Arc::new(List { items, depth })))
    }

    /// A map.
    ///
    /// # Errors
    /// When it would be nested too deep.
    pub fn map(entries: BTreeMap<Key, Value<'a>>) -> Result<Self, Error> {
        let depth = deeper(entries.values())?;
        Ok(Self::Map(Arc::new(Map { entries, depth })))
    }

    pub(crate) fn message(name: Arc<str>, fields: BTreeMap<Arc<str>, Value<'a>>) -> Result<Self, Error> {
        let depth = deeper(fields.values())?;
        Ok(Self::Struct(Arc::new(Struct { name, fields, depth })))
    }

    /// Something that is there.
    pub fn some(value: Value<'a>) -> Self {
        Self::Optional(Some(Arc::new(value)))
    }

    fn depth(&self) -> u16 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            Self::Struct(message) => message.depth,
            Self::Optional(Some(inner)) => inner.depth().saturating_add(1),
            // What came as JSON is as deep as a request may be.
            Self::JsonList(..) | Self::JsonMap(..) => 130,
            _ => 0,
        }
    }

    /// This value as JSON, for what an expression has to answer. Upstream: cel-go's `ConvertToNative` to `structpb.Value`.
    ///
    /// # Errors
    /// For what JSON does not have: functions' own types, maps by other keys than texts.
    pub fn to_json(&self) -> Result<Json, Error> {
        json::to(self)
    }

    /// The name of its type.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Type(_) => "type",
            Self::List(_) | Self::JsonList(..) => "list",
            Self::JsonMap(_, Type::Object(object)) => &object.name,
            Self::Map(_) | Self::JsonMap(..) => "map",
            Self::Optional(_) => "optional_type",
            Self::Struct(message) => &message.name,
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Ip(_) => "net.IP",
            Self::Cidr(_) => "net.CIDR",
            Self::Url(_) => "kubernetes.URL",
            Self::Semver(_) => "kubernetes.Semver",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Host(host) => host.type_name(),
        }
    }

    /// How many items, entries, letters or bytes it has; 1 for what has none.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::String(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(list) => list.items.len(),
            Self::JsonList(items, _) => items.len(),
            Self::Map(map) => map.entries.len(),
            Self::JsonMap(map, _) => map.len(),
            _ => 1,
        }
    }

    /// One item of a list.
    pub(crate) fn item(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::List(list) => list.items.get(index).cloned(),
            Self::JsonList(items, type_) => {
                let item = match type_ {
                    Type::List(list) => &list.item,
                    _ => &DYN,
                };
                items.get(index).map(|json| Value::typed(json, item))
            }
            _ => None,
        }
    }

    /// All items of a list.
    pub(crate) fn items(&self) -> Result<Vec<Value<'a>>, Error> {
        match self {
            Self::List(_) | Self::JsonList(..) => Ok((0..self.size()).filter_map(|index| self.item(index)).collect()),
            _ => Err(Error::no_such_overload()),
        }
    }

    /// The keys of a map, in order.
    pub(crate) fn keys(&self) -> Result<Vec<Value<'a>>, Error> {
        match self {
            Self::Map(map) => Ok(map.entries.keys().map(Key::value).collect()),
            Self::JsonMap(map, _) => Ok(map.keys().map(|key| Value::String(Text::Borrowed(key))).collect()),
            _ => Err(Error::no_such_overload()),
        }
    }

    /// What a map has under a key, or an object in a field.
    pub(crate) fn entry(&self, key: &Key) -> Option<Value<'a>> {
        match (self, key) {
            (Self::Map(map), key) => map.entries.get(key).cloned(),
            (Self::JsonMap(map, Type::Object(object)), Key::String(name)) => {
                let field = object.fields.get(&**name)?;
                map.get(&field.json).map(|json| Value::typed(json, &field.type_))
            }
            (Self::JsonMap(map, Type::Map(types)), Key::String(name)) => {
                map.get(&**name).map(|json| Value::typed(json, &types.1))
            }
            (Self::JsonMap(map, _), Key::String(name)) => map.get(&**name).map(Value::json),
            (Self::Struct(message), Key::String(name)) => message.fields.get(name).cloned(),
            _ => None,
        }
    }

    /// How the order of a list counts.
    pub(crate) fn order(&self) -> &Order {
        match self {
            Self::JsonList(_, Type::List(list)) => &list.order,
            _ => &Order::Atomic,
        }
    }

    pub(crate) fn as_bool(&self) -> Result<bool, Error> {
        match self {
            Self::Bool(value) => Ok(*value),
            _ => Err(Error::no_such_overload()),
        }
    }

    pub(crate) fn as_text(&self) -> Result<&str, Error> {
        match self {
            Self::String(text) => Ok(text),
            _ => Err(Error::no_such_overload()),
        }
    }

    pub(crate) fn as_int(&self) -> Result<i64, Error> {
        match self {
            Self::Int(value) => Ok(*value),
            _ => Err(Error::no_such_overload()),
        }
    }

    /// Whether expressions call it nothing: zero, empty, none.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Int(value) => *value == 0,
            Self::Uint(value) => *value == 0,
            Self::Double(value) => *value == 0.0,
            Self::Duration(value) => value.is_zero(),
            Self::Optional(inner) => inner.is_none(),
            Self::String(_)
            | Self::Bytes(_)
            | Self::List(_)
            | Self::JsonList(..)
            | Self::Map(_)
            | Self::JsonMap(..) => self.size() == 0,
            Self::Struct(message) => message.fields.is_empty(),
            _ => false,
        }
    }
}

impl Key {
    /// A value as a key of a map.
    ///
    /// # Errors
    /// For what is no key.
    pub(crate) fn of(value: &Value<'_>) -> Result<Self, Error> {
        match value {
            Value::Bool(value) => Ok(Self::Bool(*value)),
            Value::Int(value) => Ok(Self::Int(*value)),
            Value::Uint(value) => Ok(i64::try_from(*value).map_or(Self::Uint(*value), Self::Int)),
            Value::Double(value) if exact(*value).is_some() => Ok(Self::Int(exact(*value).unwrap_or_default())),
            Value::String(Text::Shared(text)) => Ok(Self::String(Arc::clone(text))),
            Value::String(text) => Ok(Self::String((**text).into())),
            other => Err(Error::failed(format!("unsupported key type: {}", other.type_name()))),
        }
    }

    pub(crate) fn value<'a>(&self) -> Value<'a> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::String(text) => Value::String(Text::Shared(Arc::clone(text))),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(out),
            Self::Int(value) => value.fmt(out),
            Self::Uint(value) => value.fmt(out),
            Self::String(text) => text.fmt(out),
        }
    }
}

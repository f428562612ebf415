//! One step of a path: a field, or an element of a list by its keys, its value or its position.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

/// How a child is found in its parent. The order of the variants and of their content is upstream's, in which sets are written.
///
/// It borrows from the value or set it was made of where that is possible.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement<'a> {
    /// A member of an object: `.name`, `f:name`.
    Field(Cow<'a, str>),
    /// The element of a list whose key fields have these values, sorted by name: `[name="c"]`, `k:{"name":"c"}`.
    Key(Vec<(Cow<'a, str>, Scalar<'a>)>),
    /// An element of a set: `[="a"]`, `v:"a"`.
    Value(Scalar<'a>),
    /// A position in a list: `[0]`, `i:0`.
    Index(i64),
}

/// A plain value in a path. Whole numbers are one kind whether they are written `1` or `1.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    Integer(i64),
    /// Of JSON, so never NaN.
    Float(Bits),
    String(Cow<'a, str>),
    Bool(bool),
    /// What should not be in a path and was found in one: its JSON text.
    Other(Cow<'a, str>),
}

/// A number with a fraction, by its bits so that it can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits(u64);

impl Bits {
    fn number(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl<'a> Scalar<'a> {
    /// The value as part of a path, borrowing its text.
    pub fn of(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::String(Cow::Borrowed(text)),
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::of_number(number),
            other => Self::Other(Cow::Owned(other.to_string())),
        }
    }

    fn of_number(number: &serde_json::Number) -> Self {
        if let Some(integer) = number.as_i64() {
            return Self::Integer(integer);
        }
        let number = number.as_f64().unwrap_or_default();
        match whole(number) {
            Some(integer) => Self::Integer(integer),
            None => Self::Float(Bits(number.to_bits())),
        }
    }

    /// The same, borrowing from nothing.
    pub fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Integer(integer) => Scalar::Integer(integer),
            Self::Float(bits) => Scalar::Float(bits),
            Self::Bool(value) => Scalar::Bool(value),
            Self::String(text) => Scalar::String(Cow::Owned(text.into_owned())),
            Self::Other(text) => Scalar::Other(Cow::Owned(text.into_owned())),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Integer(_) | Self::Float(_) => 0,
            Self::String(_) => 1,
            Self::Bool(_) => 2,
            Self::Other(_) => 3,
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Integer(integer) => _ = write!(out, "{integer}"),
            Self::Float(bits) => out.push_str(&Value::from(bits.number()).to_string()),
            Self::Bool(value) => _ = write!(out, "{value}"),
            Self::String(text) => write_string(text, out),
            Self::Other(text) => out.push_str(text),
        }
    }
}

/// The integer a float of JSON stands for, when it is one.
#[expect(clippy::cast_possible_truncation, reason = "the bounds are checked in the same breath")]
pub(super) fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= LIMIT).then_some(number as i64)
}

/// A string as JSON, appended.
pub(super) fn write_string(text: &str, out: &mut String) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

impl PartialOrd for Scalar<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scalar<'_> {
    /// Numbers, strings, truth values, anything else. Upstream: `value.Compare`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an integer that is compared with a fraction may be rounded, as upstream's is"
    )]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(one), Self::Integer(other)) => one.cmp(other),
            (Self::Float(one), Self::Float(other)) => one.number().total_cmp(&other.number()),
            (Self::Integer(one), Self::Float(other)) => (*one as f64).total_cmp(&other.number()),
            (Self::Float(one), Self::Integer(other)) => one.number().total_cmp(&(*other as f64)),
            (Self::String(one), Self::String(other)) | (Self::Other(one), Self::Other(other)) => one.cmp(other),
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_json(&mut text);
        f.write_str(&text)
    }
}

impl<'a> PathElement<'a> {
    /// A field of an object.
    pub fn field(name: impl Into<Cow<'a, str>>) -> Self {
        Self::Field(name.into())
    }

    /// Reads the form `fieldsV1` has: `f:name`, `k:{…}`, `v:…`, `i:…`.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words. `Ok(None)` for kinds of elements of the future, which are left out.
    pub fn parse(text: &'a str) -> Result<Option<Self>, String> {
        if text.len() < 2 {
            return Err("key must be 2 characters long:".to_owned());
        }
        let Some((kind, content)) = text.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
            return Err(format!("missing colon: {text}"));
        };
        Ok(Some(match kind {
            "f" => Self::Field(Cow::Borrowed(content)),
            "k" => Self::Key(parse_key(content)?),
            "v" => Self::Value(owned_scalar(content)?),
            "i" => Self::Index(content.parse().map_err(|_| format!("invalid index {content:?}"))?),
            _ => return Ok(None),
        }))
    }

    /// The same, borrowing from nothing.
    pub fn into_owned(self) -> PathElement<'static> {
        match self {
            Self::Field(name) => PathElement::Field(Cow::Owned(name.into_owned())),
            Self::Key(fields) => {
                let owned =
                    |(name, value): (Cow<'_, str>, Scalar<'_>)| (Cow::Owned(name.into_owned()), value.into_owned());
                PathElement::Key(fields.into_iter().map(owned).collect())
            }
            Self::Value(value) => PathElement::Value(value.into_owned()),
            Self::Index(index) => PathElement::Index(index),
        }
    }

    /// The form `fieldsV1` has.
    pub fn to_json_key(&self) -> String {
        let mut out = String::with_capacity(24);
        match self {
            Self::Field(name) => {
                out.push_str("f:");
                out.push_str(name);
            }
            Self::Key(fields) => {
                out.push_str("k:{");
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(name, &mut out);
                    out.push(':');
                    value.write_json(&mut out);
                }
                out.push('}');
            }
            Self::Value(value) => {
                out.push_str("v:");
                value.write_json(&mut out);
            }
            Self::Index(index) => _ = write!(out, "i:{index}"),
        }
        out
    }
}

fn parse_key<'a>(text: &str) -> Result<Vec<(Cow<'a, str>, Scalar<'a>)>, String> {
    let members: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    // The map is sorted by name, and so are keys.
    Ok(members.into_iter().map(|(name, value)| (Cow::Owned(name), Scalar::of(&value).into_owned())).collect())
}

fn owned_scalar(text: &str) -> Result<Scalar<'static>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(Scalar::of(&value).into_owned())
}

impl fmt::Display for PathElement<'_> {
    /// As conflicts name it: `.spec`, `[port=80,protocol="TCP"]`, `[="a"]`, `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", fields.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

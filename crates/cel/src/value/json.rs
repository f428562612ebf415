//! From JSON and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sampan_meta::time::format_time;
use serde_json::{Map as JsonObject, Number, Value as Json};

use super::{Key, Text, Value, exact};
use crate::error::Error;
use crate::functions::time;
use crate::types::Type;

pub(super) fn from<'a>(json: &'a Json, type_: &'a Type) -> Value<'a> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => from_number(number, type_),
        Json::String(text) => from_text(text, type_),
        Json::Array(items) => Value::JsonList(items, type_),
        Json::Object(map) => Value::JsonMap(map, type_),
    }
}

fn from_number<'a>(number: &Number, type_: &Type) -> Value<'a> {
    match number.as_i64().filter(|_| *type_ != Type::Double) {
        Some(value) => Value::Int(value),
        None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// A text of a special form; what does not have the form stays a text, for validation has refused it or will.
fn from_text<'a>(text: &'a str, type_: &Type) -> Value<'a> {
    let special = match type_ {
        Type::Timestamp => time::parse_timestamp(text).ok().map(Value::Timestamp),
        Type::Duration => time::parse_duration(text).map(Value::Duration),
        Type::Bytes => STANDARD.decode(text).ok().map(|bytes| Value::Bytes(bytes.into())),
        _ => None,
    };
    special.unwrap_or(Value::String(Text::Borrowed(text)))
}

pub(super) fn to(value: &Value<'_>) -> Result<Json, Error> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Uint(value) => Json::from(*value),
        Value::Double(value) => match exact(*value) {
            Some(whole) => Json::from(whole),
            None => Number::from_f64(*value).map(Json::Number).ok_or_else(|| no_json(&value.to_string()))?,
        },
        Value::String(text) => Json::from(&**text),
        Value::Bytes(bytes) => Json::from(STANDARD.encode(bytes)),
        Value::Timestamp(value) => Json::from(format_time(*value)),
        Value::Duration(value) => Json::from(time::print_duration(*value)),
        Value::JsonList(items, _) => Json::Array(items.to_vec()),
        Value::JsonMap(map, _) => Json::Object((*map).clone()),
        Value::List(list) => Json::Array(list.items.iter().map(to).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let mut object = JsonObject::new();
            for (key, value) in &map.entries {
                let Key::String(name) = key else { return Err(no_json(&format!("key {key}"))) };
                object.insert(name.to_string(), to(value)?);
            }
            Json::Object(object)
        }
        Value::Struct(message) => {
            let mut object = JsonObject::new();
            for (name, value) in &message.fields {
                object.insert(name.to_string(), to(value)?);
            }
            Json::Object(object)
        }
        Value::Optional(Some(inner)) => to(inner)?,
        Value::Optional(None) => Json::Null,
        Value::Quantity(quantity) => Json::from(quantity.to_string()),
        Value::Ip(address) => Json::from(address.to_string()),
        other => return Err(no_json(other.type_name())),
    })
}

fn no_json(what: &str) -> Error {
    Error::failed(format!("type conversion error from '{what}' to JSON"))
}

//! Values into the shape their type has.

use super::{DecodeError, MAX_DEPTH, MAX_REPORTED};
use crate::Quantity;
use crate::schema::{Element, Field, Schema, Shape, Type, TypeId};
use crate::time::{format_micro_time, format_time, parse_time};
use base64::Engine;
use serde_json::{Map, Value};

/// Brings the value into the shape of `type_` and returns the paths of the fields the type does not have, which are removed.
pub fn conform(schema: &Schema, type_: &Type, value: &mut Value) -> Result<Vec<String>, DecodeError> {
    let mut walk = Walk { schema, path: String::new(), depth: 0, unknown: Vec::new() };
    match value {
        Value::Object(members) => walk.members(type_, members)?,
        Value::Null => *value = Value::Object(Map::new()),
        other => {
            return Err(DecodeError::NotAnObject { found: json_kind(other), expected: type_.go_name() });
        }
    }
    Ok(walk.unknown)
}

/// Adds `.name`, or `name` at the beginning.
pub(super) fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

struct Walk<'a> {
    schema: &'a Schema,
    /// Where the walk is, for example `spec.containers[0]`.
    path: String,
    depth: usize,
    unknown: Vec<String>,
}

/// The field an element belongs to, for messages.
#[derive(Clone, Copy)]
struct Holder<'a> {
    type_: &'a Type,
    field: &'a Field,
}

impl Walk<'_> {
    fn members(&mut self, type_: &Type, members: &mut Map<String, Value>) -> Result<(), DecodeError> {
        let length = self.path.len();
        let mut result = Ok(());
        members.retain(|name, value| {
            if result.is_err() {
                return true;
            }
            push_name(&mut self.path, name);
            let kept = self.member(type_, name, value);
            self.path.truncate(length);
            kept.unwrap_or_else(|error| {
                result = Err(error);
                true
            })
        });
        result
    }

    /// Whether the member stays.
    fn member(&mut self, type_: &Type, name: &str, value: &mut Value) -> Result<bool, DecodeError> {
        let Some(field) = type_.field(name) else {
            if self.unknown.len() < MAX_REPORTED {
                self.unknown.push(self.path.clone());
            }
            return Ok(false);
        };
        if value.is_null() {
            return Ok(false);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep { path: self.path.clone() });
        }
        self.field(Holder { type_, field }, value)?;
        self.depth -= 1;
        Ok(field.nullable || is_written_as_zero(field) || !is_zero(field, value))
    }

    fn field(&mut self, holder: Holder<'_>, value: &mut Value) -> Result<(), DecodeError> {
        let length = self.path.len();
        match (holder.field.shape, value) {
            (Shape::One, value) => self.element(holder, holder.field.element, value)?,
            (Shape::List, Value::Array(list)) => {
                for (index, element) in list.iter_mut().enumerate() {
                    self.path.push_str(&format!("[{index}]"));
                    self.element(holder, holder.field.element, element)?;
                    self.path.truncate(length);
                }
            }
            (Shape::Map, Value::Object(entries)) => {
                for (key, element) in entries.iter_mut() {
                    push_name(&mut self.path, key);
                    self.element(holder, holder.field.element, element)?;
                    self.path.truncate(length);
                }
            }
            (Shape::List, other) => return Err(self.wrong(holder, other, format!("[]{}", self.go_type(holder.field)))),
            (Shape::Map, other) => {
                return Err(self.wrong(holder, other, format!("map[string]{}", self.go_type(holder.field))));
            }
        }
        Ok(())
    }

    fn element(&mut self, holder: Holder<'_>, element: Element, value: &mut Value) -> Result<(), DecodeError> {
        if value.is_null() {
            *value = zero(element);
            return Ok(());
        }
        let fits = match (element, &mut *value) {
            (Element::String, Value::String(_))
            | (Element::Bool, Value::Bool(_))
            | (Element::Double, Value::Number(_)) => true,
            (Element::Int32, Value::Number(number)) => {
                number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
            }
            (Element::Int64, Value::Number(number)) => number.is_i64(),
            (Element::IntOrString, Value::String(_)) => true,
            (Element::IntOrString, Value::Number(number)) => {
                number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
            }
            (Element::Bytes, Value::String(text)) => self.rewrite(text, base64_text)?,
            (Element::Time, Value::String(text)) => self.rewrite(text, |text| canonical_time(text, format_time))?,
            (Element::MicroTime, Value::String(text)) => {
                self.rewrite(text, |text| canonical_time(text, format_micro_time))?
            }
            (Element::Quantity, Value::String(_) | Value::Number(_)) => self.quantity(value)?,
            (Element::Raw | Element::FieldsV1, Value::Object(_)) | (Element::Json, _) => true,
            (Element::StringList, Value::Array(list)) => list.iter().all(Value::is_string),
            (Element::SchemaOrBool(_), Value::Bool(_)) => true,
            (Element::SchemaOrStrings(_), Value::Array(list)) => list.iter().all(Value::is_string),
            (Element::SchemaOrArray(id), Value::Array(list)) => {
                for element in list {
                    self.element(holder, Element::Message(id), element)?;
                }
                true
            }
            (
                Element::Message(id)
                | Element::SchemaOrBool(id)
                | Element::SchemaOrArray(id)
                | Element::SchemaOrStrings(id),
                Value::Object(members),
            ) => return self.message(id, members),
            _ => false,
        };
        if fits { Ok(()) } else { Err(self.wrong(holder, value, self.go_type(holder.field))) }
    }

    fn message(&mut self, id: TypeId, members: &mut Map<String, Value>) -> Result<(), DecodeError> {
        let schema = self.schema;
        self.members(schema.type_at(id), members)
    }

    /// Replaces a text by its canonical form. The result is always true; it keeps the match above flat.
    fn rewrite(
        &self,
        text: &mut String,
        canonical: impl Fn(&str) -> Result<String, String>,
    ) -> Result<bool, DecodeError> {
        let malformed = |why| DecodeError::Malformed { path: self.path.clone(), why };
        *text = canonical(text).map_err(malformed)?;
        Ok(true)
    }

    fn quantity(&self, value: &mut Value) -> Result<bool, DecodeError> {
        let text = match &*value {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        let malformed =
            |why: crate::QuantityError| DecodeError::Malformed { path: self.path.clone(), why: why.to_string() };
        *value = Value::String(Quantity::canonicalize(&text).map_err(malformed)?.into_owned());
        Ok(true)
    }

    fn wrong(&self, holder: Holder<'_>, found: &Value, expected: String) -> DecodeError {
        let found = match found {
            Value::Number(number) if matches!(holder.field.element, Element::Int32 | Element::Int64) => {
                format!("number {number}")
            }
            other => json_kind(other).to_owned(),
        };
        DecodeError::WrongType { found, holder: holder.type_.short_name(), path: without_indexes(&self.path), expected }
    }

    fn go_type(&self, field: &Field) -> String {
        let name = match field.element {
            Element::String => "string",
            Element::Int32 => "int32",
            Element::Int64 => "int64",
            Element::Bool => "bool",
            Element::Double => "float64",
            Element::Bytes => "[]uint8",
            Element::Time => "v1.Time",
            Element::MicroTime => "v1.MicroTime",
            Element::Quantity => "resource.Quantity",
            Element::IntOrString => "intstr.IntOrString",
            Element::Raw => "runtime.RawExtension",
            Element::FieldsV1 => "v1.FieldsV1",
            Element::Json => "v1.JSON",
            Element::StringList => "[]string",
            Element::SchemaOrBool(_) => "v1.JSONSchemaPropsOrBool",
            Element::SchemaOrArray(_) => "v1.JSONSchemaPropsOrArray",
            Element::SchemaOrStrings(_) => "v1.JSONSchemaPropsOrStringArray",
            Element::Message(id) => self.schema.type_at(id).go_name(),
        };
        name.to_owned()
    }
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Go's messages name fields and leave out the elements' positions.
fn without_indexes(path: &str) -> String {
    let mut inside = false;
    let keep = |character: &char| {
        let outside = !inside && *character != '[';
        inside = !outside && *character != ']';
        outside
    };
    path.chars().filter(keep).collect()
}

/// What a null in a list or map stands for.
fn zero(element: Element) -> Value {
    match element {
        Element::String | Element::Bytes => Value::String(String::new()),
        Element::Int32 | Element::Int64 | Element::Double | Element::IntOrString => Value::from(0),
        Element::Bool => Value::Bool(false),
        Element::Quantity => Value::String("0".to_owned()),
        Element::StringList => Value::Array(Vec::new()),
        Element::Json | Element::Time | Element::MicroTime => Value::Null,
        Element::Raw
        | Element::FieldsV1
        | Element::SchemaOrBool(_)
        | Element::SchemaOrArray(_)
        | Element::SchemaOrStrings(_)
        | Element::Message(_) => Value::Object(Map::new()),
    }
}

/// Whether Go writes the field even when it is zero. Lists and maps it writes as null, which means absent here.
fn is_written_as_zero(field: &Field) -> bool {
    field.always && field.shape == Shape::One
}

/// Whether Go would leave the value out of JSON: the zero values of what has no pointer.
fn is_zero(field: &Field, value: &Value) -> bool {
    match value {
        Value::Array(list) => field.shape == Shape::List && list.is_empty(),
        Value::Object(entries) => field.shape == Shape::Map && entries.is_empty(),
        Value::String(text) => field.element != Element::Json && text.is_empty(),
        Value::Number(number) => field.element != Element::Json && number.as_f64() == Some(0.0),
        Value::Bool(value) => field.element == Element::Bool && !value,
        Value::Null => false,
    }
}

fn canonical_time(text: &str, format: impl Fn(jiff::Timestamp) -> String) -> Result<String, String> {
    parse_time(text).map(format).map_err(|error| format!("parsing time {text:?}: {error}"))
}

/// Line breaks are allowed in base64 and not kept.
fn base64_text(text: &str) -> Result<String, String> {
    let clean: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    match base64::engine::general_purpose::STANDARD.decode(&clean) {
        Ok(_) => Ok(clean),
        Err(error) => Err(format!("illegal base64 data: {}", error.to_string().trim_end_matches('.'))),
    }
}

//! JSON to protobuf.

use super::ProtobufError;
use super::special::{malformed, put_int_or_string, put_json, put_strings, put_time};
use super::wire::{put_bytes_field, put_fixed64_field, put_message, put_varint_field};
use crate::decode::MAX_DEPTH;
use crate::schema::{Element, Field, Schema, Shape, Type};
use base64::Engine;
use serde_json::{Map, Value};

type Result = std::result::Result<(), ProtobufError>;

/// Writes the fields of an object. What is no object is written as an empty message.
pub(super) fn message(schema: &Schema, type_: &Type, object: &Value, out: &mut Vec<u8>) -> Result {
    Encoder { schema, depth: 0 }.object(type_, object, out)
}

struct Encoder<'a> {
    schema: &'a Schema,
    depth: usize,
}

impl Encoder<'_> {
    fn object(&mut self, type_: &Type, object: &Value, out: &mut Vec<u8>) -> Result {
        let Some(members) = object.as_object() else { return Ok(()) };
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ProtobufError::TooDeep);
        }
        let fields: Vec<(&Field, &Value)> = type_
            .tagged_fields()
            .filter_map(|field| Some((field, members.get(field.name).filter(|value| !value.is_null())?)))
            .collect();
        self.fields(&fields, 0, out)?;
        self.depth -= 1;
        Ok(())
    }

    /// Writes fields sorted by tag, which share the first `level` numbers of it; those that share one more are nested in a message.
    fn fields(&mut self, fields: &[(&Field, &Value)], level: usize, out: &mut Vec<u8>) -> Result {
        for group in fields.chunk_by(|(first, _), (second, _)| first.tag[level] == second.tag[level]) {
            let (field, value) = group[0];
            let nested = field.tag.get(level + 1).is_some_and(|number| *number != 0);
            if nested {
                put_message(out, field.tag[level], |out| self.fields(group, level + 1, out))?;
            } else {
                self.field(field, field.tag[level], value, out)?;
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, number: u8, value: &Value, out: &mut Vec<u8>) -> Result {
        match (field.shape, value) {
            (Shape::One, value) => self.element(field, number, value, out),
            (Shape::List, Value::Array(list)) => {
                list.iter().try_for_each(|element| self.element(field, number, element, out))
            }
            (Shape::Map, Value::Object(entries)) => self.map(field, number, entries, out),
            (Shape::List, _) => Err(malformed(field.name, "is not a list")),
            (Shape::Map, _) => Err(malformed(field.name, "is not a map")),
        }
    }

    /// A map is a list of entries `{1: key, 2: value}`, sorted by key.
    fn map(&mut self, field: &Field, number: u8, entries: &Map<String, Value>, out: &mut Vec<u8>) -> Result {
        let mut entries: Vec<_> = entries.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        for (key, value) in entries {
            put_message(out, number, |out| {
                put_bytes_field(out, 1, key.as_bytes());
                self.element(field, 2, value, out)
            })?;
        }
        Ok(())
    }

    fn element(&mut self, field: &Field, number: u8, value: &Value, out: &mut Vec<u8>) -> Result {
        match (field.element, value) {
            (Element::String, Value::String(text)) => put_bytes_field(out, number, text.as_bytes()),
            (Element::Int32 | Element::Int64, Value::Number(_)) => {
                let value = value.as_i64().ok_or_else(|| malformed(field.name, "is not an integer"))?;
                put_varint_field(out, number, value.cast_unsigned());
            }
            (Element::Bool, Value::Bool(value)) => put_varint_field(out, number, u64::from(*value)),
            (Element::Double, Value::Number(_)) => {
                put_fixed64_field(out, number, value.as_f64().unwrap_or_default().to_bits());
            }
            (Element::Bytes, Value::String(text)) => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(text);
                put_bytes_field(out, number, &bytes.map_err(|why| malformed(field.name, why))?);
            }
            (Element::Time | Element::MicroTime, Value::String(text)) => {
                let micro = field.element == Element::MicroTime;
                put_message(out, number, |out| put_time(out, field.name, text, micro))?;
            }
            // The zero time.
            (Element::Time | Element::MicroTime, _) => put_bytes_field(out, number, b""),
            (Element::Quantity, Value::String(text)) => put_message(out, number, |out| {
                put_bytes_field(out, 1, text.as_bytes());
                Ok(())
            })?,
            (Element::IntOrString, Value::String(_) | Value::Number(_)) => put_message(out, number, |out| {
                put_int_or_string(out, value);
                Ok(())
            })?,
            (Element::Raw | Element::FieldsV1 | Element::Json, value) => put_json(out, number, value)?,
            (Element::StringList, Value::Array(list)) => put_message(out, number, |out| {
                put_strings(out, 1, list);
                Ok(())
            })?,
            (Element::Message(id), Value::Object(_)) => {
                let type_ = self.schema.type_at(id);
                put_message(out, number, |out| self.object(type_, value, out))?;
            }
            (Element::SchemaOrBool(_) | Element::SchemaOrArray(_) | Element::SchemaOrStrings(_), value) => {
                put_message(out, number, |out| self.union(field, value, out))?;
            }
            (_, _) => return Err(malformed(field.name, "has the wrong type")),
        }
        Ok(())
    }

    /// `JSONSchemaPropsOrBool {1: truth value, 2: schema}`, `…OrArray {1: schema, 2: list}`, `…OrStringArray {1: schema, 2: list}`.
    fn union(&mut self, field: &Field, value: &Value, out: &mut Vec<u8>) -> Result {
        match (field.element, value) {
            (Element::SchemaOrBool(_), Value::Bool(value)) => put_varint_field(out, 1, u64::from(*value)),
            (Element::SchemaOrBool(id), Value::Object(_)) => {
                // Go reads a schema as "allowed" only when the truth value says so.
                put_varint_field(out, 1, 1);
                put_message(out, 2, |out| self.object(self.schema.type_at(id), value, out))?;
            }
            (Element::SchemaOrArray(id) | Element::SchemaOrStrings(id), Value::Object(_)) => {
                put_message(out, 1, |out| self.object(self.schema.type_at(id), value, out))?;
            }
            (Element::SchemaOrArray(id), Value::Array(list)) => {
                for element in list {
                    put_message(out, 2, |out| self.object(self.schema.type_at(id), element, out))?;
                }
            }
            (Element::SchemaOrStrings(_), Value::Array(list)) => put_strings(out, 2, list),
            (_, _) => return Err(malformed(field.name, "has the wrong type")),
        }
        Ok(())
    }
}

//! Protobuf to JSON.

use super::special::{int_or_string, low_32, malformed, only_field, string, strings, time};
use super::wire::{Raw, Reader, fields};
use super::{ProtobufError, envelope};
use crate::Quantity;
use crate::decode::MAX_DEPTH;
use crate::schema::{Element, Field, MAX_NESTING, Schema, Shape, Tag, Type, TypeId};
use base64::Engine;
use serde_json::{Map, Value};

type Result<T> = std::result::Result<T, ProtobufError>;

/// Adds the fields of a message to `members`.
pub(super) fn message(schema: &Schema, type_: &Type, bytes: &[u8], members: &mut Map<String, Value>) -> Result<()> {
    Decoder { schema, depth: 0 }.message(type_, bytes, members)
}

struct Decoder<'a> {
    schema: &'a Schema,
    depth: usize,
}

impl Decoder<'_> {
    fn message(&mut self, type_: &Type, bytes: &[u8], members: &mut Map<String, Value>) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ProtobufError::TooDeep);
        }
        self.fields(type_, [0; MAX_NESTING], 0, bytes, members)?;
        self.depth -= 1;
        Ok(())
    }

    /// Reads fields whose tags begin with the first `level` numbers of `tag`.
    fn fields(
        &mut self,
        type_: &Type,
        mut tag: Tag,
        level: usize,
        bytes: &[u8],
        members: &mut Map<String, Value>,
    ) -> Result<()> {
        let mut reader = Reader::new(bytes);
        while let Some((number, raw)) = reader.field()? {
            let Ok(number) = u8::try_from(number) else { continue };
            tag[level] = number;
            let Some(field) = type_.tagged_field(&tag[..=level]) else { continue };
            let nested = field.tag.get(level + 1).is_some_and(|number| *number != 0);
            match raw {
                Raw::Bytes(bytes) if nested => self.fields(type_, tag, level + 1, bytes, members)?,
                _ => self.field(field, raw, members)?,
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, raw: Raw<'_>, members: &mut Map<String, Value>) -> Result<()> {
        match field.shape {
            Shape::One => self.one(field, raw, members),
            Shape::List => {
                let list = members.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
                let list = list.as_array_mut().expect("a list field holds a list");
                self.list(field, raw, list)
            }
            Shape::Map => {
                let entries = members.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
                let entries = entries.as_object_mut().expect("a map field holds an object");
                self.entry(field, raw, entries)
            }
        }
    }

    fn one(&mut self, field: &Field, raw: Raw<'_>, members: &mut Map<String, Value>) -> Result<()> {
        if let (Element::Message(id), Raw::Bytes(bytes)) = (field.element, raw) {
            // A message may come in several parts, which are merged.
            let member = members.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
            let member = member.as_object_mut().expect("a message field holds an object");
            return self.message(self.schema.type_at(id), bytes, member);
        }
        match self.element(field, raw)? {
            Some(value) if field.nullable || field.always || !is_zero(&value) => {
                members.insert(field.name.to_owned(), value)
            }
            Some(_) | None => members.remove(field.name),
        };
        Ok(())
    }

    fn list(&mut self, field: &Field, raw: Raw<'_>, list: &mut Vec<Value>) -> Result<()> {
        let packable = matches!(field.element, Element::Int32 | Element::Int64 | Element::Bool);
        if let (true, Raw::Bytes(bytes)) = (packable, raw) {
            return self.packed(field, bytes, list);
        }
        list.extend(self.element(field, raw)?);
        Ok(())
    }

    /// Numbers in a row without tags: other encoders write lists so, and readers must take both forms.
    fn packed(&mut self, field: &Field, bytes: &[u8], list: &mut Vec<Value>) -> Result<()> {
        let mut tagged = Vec::with_capacity(bytes.len() * 2);
        let mut at_start = true;
        for byte in bytes {
            if at_start {
                tagged.push(0x08);
            }
            tagged.push(*byte);
            at_start = byte & 0x80 == 0;
        }
        for element in fields(&tagged) {
            list.extend(self.element(field, element?.1)?);
        }
        Ok(())
    }

    fn entry(&mut self, field: &Field, raw: Raw<'_>, entries: &mut Map<String, Value>) -> Result<()> {
        let Raw::Bytes(bytes) = raw else { return Err(wrong_wire_type(field)) };
        let (mut key, mut value) = (String::new(), None);
        for part in fields(bytes) {
            match part? {
                (1, Raw::Bytes(text)) => key = text_of(text, field)?,
                (2, raw) => value = self.element(field, raw)?,
                _ => {}
            }
        }
        let zero = || match field.element {
            Element::Quantity => Value::from("0"),
            Element::String | Element::Bytes => Value::from(""),
            Element::StringList => Value::Array(Vec::new()),
            Element::Time => Value::Null,
            _ => Value::Object(Map::new()),
        };
        entries.insert(key, value.unwrap_or_else(zero));
        Ok(())
    }

    /// `None` for a time or text that is not there.
    fn element(&mut self, field: &Field, raw: Raw<'_>) -> Result<Option<Value>> {
        let value = match (field.element, raw) {
            (Element::Int32, Raw::Varint(value)) => low_32(value).into(),
            (Element::Int64, Raw::Varint(value)) => value.cast_signed().into(),
            (Element::Bool, Raw::Varint(value)) => Value::Bool(value != 0),
            (Element::Double, Raw::Fixed64(bits)) => f64::from_bits(bits).into(),
            (Element::String, Raw::Bytes(text)) => string(text, field.name)?,
            (Element::Bytes, Raw::Bytes(bytes)) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
            (Element::Time, Raw::Bytes(bytes)) => return time(bytes, field.name, false),
            (Element::MicroTime, Raw::Bytes(bytes)) => return time(bytes, field.name, true),
            (Element::Quantity, Raw::Bytes(bytes)) => quantity(bytes, field)?,
            (Element::IntOrString, Raw::Bytes(bytes)) => int_or_string(bytes, field.name)?,
            (Element::Raw | Element::FieldsV1 | Element::Json, Raw::Bytes(bytes)) => return self.json(bytes, field),
            (Element::StringList, Raw::Bytes(bytes)) => Value::Array(strings(bytes, 1, field.name)?),
            (Element::Message(id), Raw::Bytes(bytes)) => self.object(id, bytes)?,
            (Element::SchemaOrBool(id), Raw::Bytes(bytes)) => self.schema_or_bool(id, bytes)?,
            (Element::SchemaOrArray(id), Raw::Bytes(bytes)) => return self.schema_or_array(id, bytes),
            (Element::SchemaOrStrings(id), Raw::Bytes(bytes)) => return self.schema_or_strings(id, bytes, field),
            (_, _) => return Err(wrong_wire_type(field)),
        };
        Ok(Some(value))
    }

    fn object(&mut self, id: TypeId, bytes: &[u8]) -> Result<Value> {
        let mut members = Map::new();
        self.message(self.schema.type_at(id), bytes, &mut members)?;
        Ok(Value::Object(members))
    }

    /// JSON text, or an object in its envelope, as a WatchEvent carries it.
    fn json(&mut self, bytes: &[u8], field: &Field) -> Result<Option<Value>> {
        let Some(raw) = only_field(bytes)?.filter(|raw| !raw.is_empty()) else { return Ok(None) };
        if raw.starts_with(&envelope::MAGIC) {
            let object = self.enveloped(raw)?;
            return Ok(Some(object));
        }
        let (value, _) = crate::decode::parse_json(raw).map_err(|why| malformed(field.name, why))?;
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    /// An envelope within a message counts towards the depth, since envelopes may hold envelopes.
    fn enveloped(&mut self, bytes: &[u8]) -> Result<Value> {
        let unknown = envelope::unwrap(bytes)?;
        let schema = self.schema;
        let mut members = Map::new();
        self.message(unknown.type_in(schema)?, &unknown.raw, &mut members)?;
        Ok(unknown.name(Value::Object(members)))
    }

    fn schema_or_bool(&mut self, id: TypeId, bytes: &[u8]) -> Result<Value> {
        let mut value = Value::Bool(false);
        for part in fields(bytes) {
            match part? {
                (1, Raw::Varint(allows)) if value.is_boolean() => value = Value::Bool(allows != 0),
                (2, Raw::Bytes(bytes)) => value = self.object(id, bytes)?,
                _ => {}
            }
        }
        Ok(value)
    }

    fn schema_or_array(&mut self, id: TypeId, bytes: &[u8]) -> Result<Option<Value>> {
        let (mut schema, mut list) = (None, Vec::new());
        for part in fields(bytes) {
            match part? {
                (1, Raw::Bytes(bytes)) => schema = Some(self.object(id, bytes)?),
                (2, Raw::Bytes(bytes)) => list.push(self.object(id, bytes)?),
                _ => {}
            }
        }
        Ok(if list.is_empty() { schema } else { Some(Value::Array(list)) })
    }

    fn schema_or_strings(&mut self, id: TypeId, bytes: &[u8], field: &Field) -> Result<Option<Value>> {
        let list = strings(bytes, 2, field.name)?;
        if !list.is_empty() {
            return Ok(Some(Value::Array(list)));
        }
        only_field(bytes)?.map(|bytes| self.object(id, bytes)).transpose()
    }
}

fn quantity(bytes: &[u8], field: &Field) -> Result<Value> {
    let text = text_of(only_field(bytes)?.unwrap_or(b"0"), field)?;
    let text = if text.is_empty() { "0" } else { &text };
    let canonical = Quantity::canonicalize(text).map_err(|why| malformed(field.name, why))?;
    Ok(Value::String(canonical.into_owned()))
}

fn text_of(bytes: &[u8], field: &Field) -> Result<String> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed(field.name, "text is no UTF-8"))?;
    Ok(text.to_owned())
}

fn wrong_wire_type(field: &Field) -> ProtobufError {
    malformed(field.name, "has the wrong wire type")
}

/// Whether Go would leave the value out of JSON.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

//! Good objects: of every type of the schema one with all its fields.

use sampan_meta::schema::{Element, Field, Schema, Shape, Type};
use serde_json::{Map, Value, json};

/// How deep messages nest; some types contain themselves.
const DEPTH: usize = 4;

/// A value of a type with every field set to something plain.
pub fn sample(schema: &Schema, type_: &Type) -> Value {
    object(schema, type_, DEPTH)
}

fn object(schema: &Schema, type_: &Type, depth: usize) -> Value {
    let mut members = Map::new();
    for field in type_.fields() {
        if let Some(value) = value(schema, field, depth) {
            members.insert(field.name.to_owned(), value);
        }
    }
    if let Some(version) = type_.api_version.filter(|version| *version != "*") {
        members.insert("apiVersion".to_owned(), version.into());
        members.insert("kind".to_owned(), type_.name.rsplit('.').next().into());
    }
    Value::Object(members)
}

fn value(schema: &Schema, field: &Field, depth: usize) -> Option<Value> {
    let one = match field.element {
        Element::String => "a".into(),
        Element::Int32 | Element::Int64 => 1.into(),
        Element::Bool => true.into(),
        Element::Double => json!(0.5),
        Element::Bytes => "aGk=".into(),
        Element::Time => "2026-01-02T03:04:05Z".into(),
        Element::MicroTime => "2026-01-02T03:04:05.000006Z".into(),
        Element::Quantity => "1500m".into(),
        Element::IntOrString => "50%".into(),
        Element::Raw | Element::FieldsV1 => json!({"f:metadata": {"f:labels": {}}}),
        Element::Json => json!({"x": [1, null]}),
        Element::StringList => json!(["a"]),
        Element::SchemaOrBool(_) => true.into(),
        Element::SchemaOrArray(_) => json!({"type": "object"}),
        Element::SchemaOrStrings(_) => json!(["a"]),
        Element::Message(_) if depth == 0 => return None,
        Element::Message(id) => object(schema, schema.type_at(id), depth - 1),
    };
    Some(match field.shape {
        Shape::One => one,
        Shape::List => json!([one]),
        Shape::Map => json!({ "key": one }),
    })
}

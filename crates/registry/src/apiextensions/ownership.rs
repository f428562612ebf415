//! A structural schema as server-side apply sees it. Upstream: `schemaconv.ToSchemaFromOpenAPI` of what a definition publishes.

use sampan_meta::apply::{Described, Form, Items};

use super::schema::{Additional, Schema, Type};

/// The root of a version's objects.
pub(crate) fn root(schema: &Schema) -> Described {
    let mut root = described(schema, true);
    root.atomic = false;
    root
}

fn described(schema: &Schema, whole: bool) -> Described {
    let mut described = Described::new(form(schema, whole || schema.embedded));
    described.atomic = match described.form {
        Form::List { ref items, .. } => *items == Items::Atomic,
        Form::Object { .. } => schema.atomic_map,
        _ => false,
    };
    described.default.clone_from(&schema.default);
    described
}

fn form(schema: &Schema, whole: bool) -> Form {
    if schema.int_or_string {
        return Form::IntOrString;
    }
    match schema.type_ {
        Some(Type::Integer | Type::Number) => Form::Number,
        Some(Type::String) => Form::String,
        Some(Type::Boolean) => Form::Boolean,
        Some(Type::Array) => list(schema),
        Some(Type::Object) => object(schema, whole),
        None => Form::Deduced,
    }
}

fn list(schema: &Schema) -> Form {
    let item = schema.items.as_ref().map_or_else(|| Described::new(Form::Deduced), |item| self::described(item, false));
    Form::List { item: Box::new(item), items: schema.list.clone().unwrap_or(Items::Atomic) }
}

fn object(schema: &Schema, whole: bool) -> Form {
    let others = match &schema.additional {
        Some(Additional::Schema(schema)) => Some(described(schema, false)),
        Some(Additional::Any) => Some(Described::new(Form::Deduced)),
        None if schema.preserves => Some(Described::new(Form::Deduced)),
        None => None,
    };
    let mut fields: std::collections::BTreeMap<String, Described> =
        schema.properties.iter().map(|(name, property)| (name.clone(), described(property, false))).collect();
    if whole {
        let table = sampan_api::schema();
        let metadata = table.get("apis.meta.v1.ObjectMeta").expect("every schema has the metadata");
        fields.insert("apiVersion".to_owned(), Described::new(Form::String));
        fields.insert("kind".to_owned(), Described::new(Form::String));
        fields.insert("metadata".to_owned(), Described::new(Form::Table(table, metadata)));
    }
    Form::Object { fields, others: others.map(Box::new) }
}

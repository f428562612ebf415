mod merging;
mod owning;
mod properties;
mod sets;
mod speed;

use serde_json::Value;

use super::*;
use crate::schema::Schema;
use std::sync::LazyLock;

/// The root of a Widget of the schema's tests.
fn widget() -> Typed<'static> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(crate::schema::tests::schema);
    Typed::of(&SCHEMA, SCHEMA.get("core.v1.Widget").expect("the test schema has widgets"))
}

/// The fields of a value a client sent, one a line.
fn fields(value: &Value) -> String {
    mentioned(widget(), value).to_string()
}

/// A set of lines of JSON.
fn set(json: &Value) -> FieldSet<'_> {
    FieldSet::from_json(json).expect("the row is a set")
}

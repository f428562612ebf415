//! `additionalPrinterColumns`. Upstream: `registry/customresource/tableconvertor`.

use jiff::Timestamp;
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::time::{age, parse_time};
use serde_json::{Value, json};

use super::json_path::JsonPath;
use crate::cell;

/// A column and where its cells come from.
#[derive(Debug)]
pub(super) struct PrinterColumn {
    column: Column,
    path: JsonPath,
}

/// The columns of a version; the age, if it names none.
pub(super) fn compile(version: &Value) -> Vec<PrinterColumn> {
    let age = json!([{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
        "description": "CreationTimestamp is a timestamp representing the server time when this object was created. It is not \
            guaranteed to be set in happens-before order across separate operations. Clients may not set this value."}]);
    let own = object::list_at(version, "/additionalPrinterColumns");
    let columns = if own.is_empty() { object::list_at(&age, "") } else { own };
    columns.iter().filter_map(compile_one).collect()
}

fn compile_one(column: &Value) -> Option<PrinterColumn> {
    let text = |pointer: &str| object::str_at(column, pointer).unwrap_or_default();
    let path = JsonPath::parse(text("/jsonPath")).ok()?;
    let description = match text("/description") {
        "" => format!("Custom resource definition column (in JSONPath format): {}", text("/jsonPath")),
        description => description.to_owned(),
    };
    let mut definition = Column::new(text("/name"), text("/type"), &description);
    text("/format").clone_into(&mut definition.format);
    definition.priority = i32::try_from(cell::number(column, "/priority")).unwrap_or_default();
    Some(PrinterColumn { column: definition, path })
}

pub(super) fn definitions(columns: &[PrinterColumn]) -> Vec<Column> {
    std::iter::once(Column::name()).chain(columns.iter().map(|column| column.column.clone())).collect()
}

pub(super) fn row(columns: &[PrinterColumn], object: &Value, now: Timestamp) -> Vec<Cell> {
    let cells = columns.iter().map(|column| match column.path.first(object) {
        Some(value) => cell_of(&column.column.type_, value, now),
        None => Cell::Null,
    });
    std::iter::once(cell::name(object)).chain(cells).collect()
}

/// A value that is not of the column's type has no cell. Upstream: `cellForJSONValue`.
fn cell_of(type_: &str, value: &Value, now: Timestamp) -> Cell {
    match (type_, value) {
        ("string", Value::String(text)) => text.as_str().into(),
        ("string", Value::Null) => Cell::Null,
        ("string", value) => value.to_string().into(),
        ("integer", Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            #[expect(clippy::cast_possible_truncation, reason = "Go cuts numbers off as well")]
            (None, Some(broken)) => (broken as i64).into(),
            _ => Cell::Null,
        },
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) => match parse_time(text) {
            Ok(time) => age(time, now).into(),
            Err(_) => "<invalid>".into(),
        },
        _ => Cell::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_the_columns_say() {
        let version = json!({"additionalPrinterColumns": [
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
            {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
            {"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            {"name": "Wide", "type": "boolean", "jsonPath": ".spec.wide", "priority": 1},
        ]});
        let columns = compile(&version);
        assert_eq!(definitions(&columns).len(), 5);
        assert_eq!(definitions(&columns)[4].priority, 1);
        let object = json!({"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"replicas": 3}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let now = "2026-01-01T00:05:00Z".parse().unwrap();
        assert_eq!(json!(row(&columns, &object, now)).to_string(), r#"["a",3,"True","5m",null]"#);
    }
}

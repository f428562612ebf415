//! Whether a value is what its schema asks for. Upstream: `kube-openapi/pkg/validation/validate`, `ValidateCustomResource`, `listtype`.
//!
//! What a change leaves as it was is not held against it (KEP-4008): a schema may become stricter than the objects that are there.

use std::collections::BTreeSet;

use sampan_meta::apply::Items;
use sampan_meta::field::{self, ErrorKind, ErrorList, Path};
use serde_json::{Map, Value};

use super::formats;
use super::schema::{Limits, Schema, Type};

/// What is wrong with a value, and was not before in the same place.
pub(crate) fn check(schema: &Schema, value: &Value, old: Option<&Value>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    visit(schema, value, old, path, &mut errors);
    errors
}

fn visit(schema: &Schema, value: &Value, old: Option<&Value>, path: &Path, errors: &mut ErrorList) {
    if old == Some(value) || (value.is_null() && schema.nullable) {
        return;
    }
    if !has_type(schema, value) {
        errors.push(type_error(schema, value, path));
    }
    if !schema.limits.values.is_empty() && !schema.limits.values.iter().any(|allowed| same(allowed, value)) {
        errors.push(field::not_supported(path, value.clone(), &shown(&schema.limits.values)));
    }
    match value {
        Value::String(text) => check_text(&schema.limits, text, path, errors),
        Value::Number(number) => check_number(schema, number, path, errors),
        Value::Array(list) => check_list(schema, list, old.and_then(Value::as_array), path, errors),
        Value::Object(members) => check_members(schema, members, old.and_then(Value::as_object), path, errors),
        Value::Null | Value::Bool(_) => (),
    }
    check_junctors(schema, value, path, errors);
}

fn has_type(schema: &Schema, value: &Value) -> bool {
    if schema.int_or_string {
        return value.is_string() || is_integer(value);
    }
    match schema.type_ {
        None => true,
        Some(Type::Object) => value.is_object(),
        Some(Type::Array) => value.is_array(),
        Some(Type::String) => value.is_string(),
        Some(Type::Boolean) => value.is_boolean(),
        Some(Type::Number) => value.is_number(),
        Some(Type::Integer) => is_integer(value),
    }
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn type_error(schema: &Schema, value: &Value, path: &Path) -> field::Error {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let wanted = match schema.type_ {
        _ if schema.int_or_string => "integer,string",
        Some(type_) => type_.name(),
        None => "",
    };
    let why = format!("{} in body must be of type {wanted}: {found:?}", name(path));
    field::type_invalid(path, found, why)
}

/// The name of a place in messages; the root has none.
fn name(path: &Path) -> String {
    if *path == Path::default() { String::new() } else { path.to_string() }
}

fn shown(values: &[Value]) -> Vec<String> {
    values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
}

fn same(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && other.is_number() && one.as_f64() == other.as_f64())
}

fn invalid(path: &Path, value: impl Into<Value>, why: &str) -> field::Error {
    field::invalid(path, value, format!("{} in body {why}", name(path)))
}

fn check_text(limits: &Limits, text: &str, path: &Path, errors: &mut ErrorList) {
    let length = text.chars().count();
    if let Some(most) = limits.max_length.filter(|most| length > *most) {
        errors.push(field::too_long(path, most));
    }
    if let Some(least) = limits.min_length.filter(|least| length < *least) {
        errors.push(invalid(path, text, &format!("should be at least {least} chars long")));
    }
    if let Some((pattern, regex)) = &limits.pattern
        && !regex.is_match(text)
    {
        errors.push(invalid(path, text, &format!("should match '{pattern}'")));
    }
    if let Some(format) = limits.format.as_deref().filter(|format| !formats::fits(format, text)) {
        let why = format!("{} in body must be of type {format}: {text:?}", name(path));
        errors.push(field::type_invalid(path, text, why));
    }
}

fn check_number(schema: &Schema, number: &serde_json::Number, path: &Path, errors: &mut ErrorList) {
    let limits = &schema.limits;
    let value = Value::Number(number.clone());
    let amount = number.as_f64().unwrap_or(f64::NAN);
    if let Some(most) = limits.maximum {
        let (over, words) = match limits.exclusive_maximum {
            true => (amount >= most, "should be less than"),
            false => (amount > most, "should be less than or equal to"),
        };
        if over {
            errors.push(invalid(path, value.clone(), &format!("{words} {most}")));
        }
    }
    if let Some(least) = limits.minimum {
        let (under, words) = match limits.exclusive_minimum {
            true => (amount <= least, "should be greater than"),
            false => (amount < least, "should be greater than or equal to"),
        };
        if under {
            errors.push(invalid(path, value.clone(), &format!("{words} {least}")));
        }
    }
    if let Some(factor) = limits.multiple_of.filter(|factor| (amount / factor).fract() != 0.0) {
        errors.push(invalid(path, value.clone(), &format!("should be a multiple of {factor}")));
    }
    let narrow = limits.format.as_deref() == Some("int32") && schema.type_ == Some(Type::Integer);
    if narrow && !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&amount) {
        let why = format!("Checked value must be of type integer with format int32 in {}", name(path));
        errors.push(field::invalid(path, value, why));
    }
}

fn check_list(schema: &Schema, list: &[Value], old: Option<&Vec<Value>>, path: &Path, errors: &mut ErrorList) {
    if let Some(most) = schema.limits.max_items.filter(|most| list.len() > *most) {
        errors.push(field::too_many(path, list.len(), most));
    }
    if let Some(least) = schema.limits.min_items.filter(|least| list.len() < *least) {
        errors.push(invalid(path, Value::from(list.len()), &format!("should have at least {least} items")));
    }
    check_unique(schema, list, path, errors);
    let Some(items) = &schema.items else { return };
    for (index, item) in list.iter().enumerate() {
        let before = old.and_then(|old| counterpart(schema, old, item));
        visit(items, item, before, &path.index(index), errors);
    }
}

/// The element that was there before under the same keys; elements of other lists cannot be told apart.
pub(super) fn counterpart<'a>(schema: &Schema, old: &'a [Value], item: &Value) -> Option<&'a Value> {
    match &schema.list {
        Some(Items::Map(keys)) => old.iter().find(|other| key_of(keys, other) == key_of(keys, item)),
        Some(Items::Set) => old.iter().find(|other| *other == item),
        _ => None,
    }
}

fn key_of(keys: &[String], item: &Value) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone()))).collect()
}

fn check_unique(schema: &Schema, list: &[Value], path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, item) in list.iter().enumerate() {
        let identity = match &schema.list {
            Some(Items::Set) => item.clone(),
            Some(Items::Map(keys)) => Value::Object(key_of(keys, item)),
            _ => return,
        };
        if !seen.insert(identity.to_string()) {
            errors.push(field::duplicate(&path.index(index), identity));
        }
    }
}

fn check_members(
    schema: &Schema,
    members: &Map<String, Value>,
    old: Option<&Map<String, Value>>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let limits = &schema.limits;
    if let Some(most) = limits.max_properties.filter(|most| members.len() > *most) {
        errors.push(field::too_many(path, members.len(), most));
    }
    if let Some(least) = limits.min_properties.filter(|least| members.len() < *least) {
        errors.push(invalid(path, Value::from(members.len()), &format!("should have at least {least} properties")));
    }
    let absent = limits.required.iter().filter(|name| !members.contains_key(*name));
    errors.extend(absent.map(|name| field::required(&path.child(name), "")));
    if schema.embedded {
        let absent = ["apiVersion", "kind"].into_iter();
        let absent = absent.filter(|name| members.get(*name).and_then(Value::as_str).is_none_or(str::is_empty));
        errors.extend(absent.map(|name| field::required(&path.child(name), "must not be empty")));
    }
    for (name, value) in members {
        if let Some(member) = schema.member(name) {
            visit(member, value, old.and_then(|old| old.get(name)), &path.child(name), errors);
        }
    }
}

fn check_junctors(schema: &Schema, value: &Value, path: &Path, errors: &mut ErrorList) {
    let findings = |schema: &Schema| check(schema, value, None, path);
    if !schema.any_of.is_empty() {
        let all: Vec<ErrorList> = schema.any_of.iter().map(findings).collect();
        if !all.iter().any(Vec::is_empty) {
            errors.push(junction(path, "must validate at least one schema (anyOf)"));
            errors.extend(all.into_iter().min_by_key(Vec::len).unwrap_or_default());
        }
    }
    if !schema.one_of.is_empty() {
        let mut all: Vec<ErrorList> = schema.one_of.iter().map(findings).collect();
        let valid = all.iter().filter(|findings| findings.is_empty()).count();
        if valid != 1 {
            let found =
                if valid == 0 { "Found none valid".to_owned() } else { format!("Found {valid} valid alternatives") };
            errors.push(junction(path, &format!("must validate one and only one schema (oneOf). {found}")));
            all.retain(|findings| !findings.is_empty() && valid == 0);
            errors.extend(all.into_iter().min_by_key(Vec::len).unwrap_or_default());
        }
    }
    let failed: Vec<ErrorList> = schema.all_of.iter().map(findings).filter(|findings| !findings.is_empty()).collect();
    if !failed.is_empty() {
        let none = if failed.len() == schema.all_of.len() { ". None validated" } else { "" };
        errors.extend(failed.into_iter().flatten());
        errors.push(junction(path, &format!("must validate all the schemas (allOf){none}")));
    }
    if schema.not.as_deref().is_some_and(|not| findings(not).is_empty()) {
        errors.push(junction(path, "must not validate the schema (not)"));
    }
}

/// Upstream loses the place of these findings but for their text.
fn junction(path: &Path, why: &str) -> field::Error {
    field::Error {
        kind: ErrorKind::Invalid,
        field: Path::default().to_string(),
        value: Some("".into()),
        detail: format!("{:?} {why}", name(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn findings(schema: &Value, value: &Value, old: Option<&Value>) -> String {
        let errors = check(&Schema::compile(schema), value, old, &Path::default());
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn row(schema: Value, value: Value, expected: Expect) {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"x": schema}}}});
        expected.assert_eq(&findings(&schema, &json!({"spec": {"x": value}}), None));
    }

    #[test]
    fn a_value_of_another_type_is_told_both() {
        row(
            json!({"type": "integer"}),
            json!("three"),
            expect![[r#"spec.x: Invalid value: "string": spec.x in body must be of type integer: "string""#]],
        );
        row(json!({"type": "integer"}), json!(3.0), expect![""]);
        row(
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            expect![[r#"spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean""#]],
        );
        row(json!({"x-kubernetes-int-or-string": true}), json!("50%"), expect![""]);
    }

    #[test]
    fn limits_are_told_in_upstreams_words() {
        row(
            json!({"type": "integer", "minimum": 1, "maximum": 5}),
            json!(7),
            expect!["spec.x: Invalid value: 7: spec.x in body should be less than or equal to 5"],
        );
        row(
            json!({"type": "number", "minimum": 1, "exclusiveMinimum": true}),
            json!(1),
            expect!["spec.x: Invalid value: 1: spec.x in body should be greater than 1"],
        );
        row(
            json!({"type": "string", "pattern": "^[a-z]+$", "minLength": 3}),
            json!("A"),
            expect![[r#"
                spec.x: Invalid value: "A": spec.x in body should be at least 3 chars long
                spec.x: Invalid value: "A": spec.x in body should match '^[a-z]+$'"#]],
        );
        row(
            json!({"type": "string", "enum": ["red", "green"]}),
            json!("blue"),
            expect![[r#"spec.x: Unsupported value: "blue": supported values: "red", "green""#]],
        );
        row(
            json!({"type": "string", "maxLength": 2}),
            json!("abc"),
            expect!["spec.x: Too long: may not be more than 2 bytes"],
        );
        row(
            json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}),
            json!(["a", "b"]),
            expect!["spec.x: Too many: 2: must have at most 1 item"],
        );
        row(
            json!({"type": "string", "format": "date-time"}),
            json!("soon"),
            expect![[r#"spec.x: Invalid value: "soon": spec.x in body must be of type date-time: "soon""#]],
        );
        row(json!({"type": "object", "required": ["a"]}), json!({}), expect!["spec.x.a: Required value"]);
    }

    #[test]
    fn sets_and_maps_have_no_two_elements_alike() {
        row(
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}),
            json!(["a", "b", "a"]),
            expect![[r#"spec.x[2]: Duplicate value: "a""#]],
        );
        row(
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "properties": {"name": {"type": "string"}}}}),
            json!([{"name": "a", "v": 1}, {"name": "a", "v": 2}]),
            expect![[r#"spec.x[1]: Duplicate value: {"name":"a"}"#]],
        );
    }

    #[test]
    fn junctors_count_those_that_hold() {
        row(
            json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({"a": 1, "b": 1}),
            expect![[
                r#"<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found 2 valid alternatives"#
            ]],
        );
        row(
            json!({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({}),
            expect![[r#"
                <nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)
                spec.x.a: Required value"#]],
        );
        row(
            json!({"type": "string", "not": {"enum": ["a"]}}),
            json!("a"),
            expect![[r#"<nil>: Invalid value: "": "spec.x" must not validate the schema (not)"#]],
        );
    }

    #[test]
    fn what_a_change_leaves_alone_is_not_held_against_it() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "maxLength": 1}, "b": {"type": "string", "maxLength": 1}}});
        let old = json!({"a": "too long", "b": "x"});
        assert_eq!(findings(&schema, &json!({"a": "too long", "b": "y"}), Some(&old)), "");
        assert_eq!(
            findings(&schema, &json!({"a": "too long", "b": "yy"}), Some(&old)),
            "b: Too long: may not be more than 1 byte"
        );
    }
}

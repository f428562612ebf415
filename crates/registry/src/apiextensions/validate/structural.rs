//! What makes a schema structural. Upstream: `apiextensions-apiserver/pkg/apiserver/schema/validation.go`, `complete.go`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::{Value, json};

use super::super::pattern;

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

pub(super) fn validate(errors: &mut ErrorList, schema: &Value, path: &Path) {
    let mut found = ErrorList::new();
    invariants(&mut found, schema, Level::Root, path);
    complete(&mut found, schema, path);
    found.sort_by_key(ToString::to_string);
    errors.append(&mut found);
}

fn flag(schema: &Value, keyword: &str) -> bool {
    schema.get(keyword) == Some(&Value::Bool(true))
}

fn invariants(errors: &mut ErrorList, schema: &Value, level: Level, path: &Path) {
    let type_ = object::str_at(schema, "/type").unwrap_or_default();
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    match schema.get("items").filter(|items| items.is_object()) {
        Some(items) => invariants(errors, items, Level::Item, &path.child("items")),
        None if type_ == "array" => errors.push(field::required(&path.child("items"), "must be specified")),
        None => (),
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        invariants(errors, property, Level::Field, &path.child("properties").key(name));
    }
    if let Some(additional) = schema.get("additionalProperties") {
        let path = path.child("additionalProperties");
        if level == Level::Root {
            errors.push(field::forbidden(&path, "must not be used at the root"));
        }
        if embedded {
            errors.push(field::forbidden(&path, "must not be used if x-kubernetes-embedded-resource is set"));
        }
        if additional.is_object() {
            invariants(errors, additional, Level::Field, &path);
        }
    }
    exclusive_extensions(errors, schema, path);
    let int_or_string = [json!({"type": "integer"}), json!({"type": "string"})];
    let pattern_at = |pointer: &str| *object::list_at(schema, pointer) == int_or_string;
    junctors(errors, schema, level, path, pattern_at("/anyOf"), pattern_at("/allOf/0/anyOf"));
    typed(errors, schema, level, path);
    whole(errors, schema, level, path);
}

fn exclusive_extensions(errors: &mut ErrorList, schema: &Value, path: &Path) {
    if !flag(schema, "x-kubernetes-int-or-string") {
        return;
    }
    for keyword in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if flag(schema, keyword) {
            let why = "must be false if x-kubernetes-int-or-string is true";
            errors.push(field::invalid(&path.child(keyword), true, why));
        }
    }
}

/// Every place has a type.
fn typed(errors: &mut ErrorList, schema: &Value, level: Level, path: &Path) {
    let type_ = object::str_at(schema, "/type").unwrap_or_default();
    let path_of_type = path.child("type");
    if flag(schema, "x-kubernetes-embedded-resource") && type_ != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(match type_ {
            "" => field::required(&path_of_type, why),
            other => field::invalid(&path_of_type, other, why),
        });
    } else if type_.is_empty()
        && !flag(schema, "x-kubernetes-int-or-string")
        && !flag(schema, "x-kubernetes-preserve-unknown-fields")
    {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(field::required(&path_of_type, why));
    }
    if level == Level::Root && !matches!(type_, "" | "object") {
        errors.push(field::invalid(&path_of_type, type_, "must be object at the root"));
    }
}

/// The parts every object has are known: a schema may say of them nothing but how they are named.
fn whole(errors: &mut ErrorList, schema: &Value, level: Level, path: &Path) {
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    let properties = schema.get("properties").and_then(Value::as_object);
    if embedded && !flag(schema, "x-kubernetes-preserve-unknown-fields") && properties.is_none_or(|own| own.is_empty())
    {
        let why =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(field::required(&path.child("properties"), why));
    }
    if level != Level::Root && !embedded {
        return;
    }
    for (name, wanted) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        let Some(property) = properties.and_then(|own| own.get(name)) else { continue };
        let type_ = object::str_at(property, "/type").unwrap_or_default();
        if type_ != wanted {
            let path = path.child("properties").key(name).child("type");
            errors.push(field::invalid(&path, type_, format!("must be {wanted}")));
        }
    }
    let metadata = properties.and_then(|own| own.get("metadata")).and_then(Value::as_object);
    let foreign = metadata.is_some_and(|metadata| {
        metadata.iter().any(|(keyword, value)| match keyword.as_str() {
            "type" | "description" => false,
            "properties" => {
                value.as_object().into_iter().flatten().any(|(name, _)| name != "name" && name != "generateName")
            }
            _ => true,
        })
    });
    if level == Level::Root && foreign {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(field::forbidden(&path.child("properties").key("metadata"), why));
    }
}

fn junctors(
    errors: &mut ErrorList,
    schema: &Value,
    level: Level,
    path: &Path,
    skip_any_of: bool,
    skip_first_all_of: bool,
) {
    if !skip_any_of {
        each(schema, "anyOf", path, |inner, path, _| nested(errors, inner, level, path, false));
    }
    each(schema, "allOf", path, |inner, path, index| {
        nested(errors, inner, level, path, skip_first_all_of && index == 0);
    });
    each(schema, "oneOf", path, |inner, path, _| nested(errors, inner, level, path, false));
    if let Some(not) = schema.get("not").filter(|not| not.is_object()) {
        nested(errors, not, level, &path.child("not"), false);
    }
    if let Some(text) = object::str_at(schema, "/pattern")
        && let Err(why) = pattern::compile(text)
    {
        let why = format!("must be a valid regular expression, but isn't: {why}");
        errors.push(field::invalid(&path.child("pattern"), text, why));
    }
}

fn each(schema: &Value, keyword: &str, path: &Path, mut visit: impl FnMut(&Value, &Path, usize)) {
    for (index, inner) in object::list_at(schema, &format!("/{keyword}")).iter().enumerate() {
        visit(inner, &path.child(keyword).index(index), index);
    }
}

/// Keywords that describe a structure have no place below a junctor.
const DESCRIBING: [(&str, &str); 13] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
];

fn nested(errors: &mut ErrorList, schema: &Value, level: Level, path: &Path, skip_any_of: bool) {
    junctors(errors, schema, level, path, skip_any_of, false);
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        nested(errors, items, level, &path.child("items"), false);
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        nested(errors, property, Level::Field, &path.child("properties").key(name), false);
    }
    for (keyword, why) in DESCRIBING {
        if schema.get(keyword).is_some_and(|value| *value != Value::Bool(false) || keyword == "additionalProperties") {
            errors.push(field::forbidden(&path.child(keyword), why));
        }
    }
    if properties.is_some_and(|own| own.contains_key("metadata")) {
        let path = path.child("properties").key("metadata");
        errors.push(field::forbidden(&path, "must not be specified in a nested context"));
    }
}

/// What a junctor speaks of is described outside of it as well.
fn complete(errors: &mut ErrorList, schema: &Value, path: &Path) {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        each(schema, keyword, path, |inner, inner_path, _| covered(errors, inner, schema, inner_path, path));
    }
    if let Some(not) = schema.get("not").filter(|not| not.is_object()) {
        covered(errors, not, schema, &path.child("not"), path);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(keyword).filter(|inner| inner.is_object()) {
            complete(errors, inner, &path.child(keyword));
        }
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        complete(errors, property, &path.child("properties").key(name));
    }
}

fn covered(errors: &mut ErrorList, inner: &Value, schema: &Value, inner_path: &Path, path: &Path) {
    for (name, property) in inner.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let (inner_path, path) = (inner_path.child("properties").key(name), path.child("properties").key(name));
        match schema.get("properties").and_then(|own| own.get(name)) {
            Some(own) => covered(errors, property, own, &inner_path, &path),
            None => errors.push(field::required(&path, format!("because it is defined in {inner_path}"))),
        }
    }
    if let Some(items) = inner.get("items").filter(|items| items.is_object()) {
        let (inner_path, path) = (inner_path.child("items"), path.child("items"));
        match schema.get("items").filter(|own| own.is_object()) {
            Some(own) => covered(errors, items, own, &inner_path, &path),
            None => errors.push(field::required(&path, format!("because it is defined in {inner_path}"))),
        }
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        each(inner, keyword, inner_path, |deeper, deeper_path, _| covered(errors, deeper, schema, deeper_path, path));
    }
    if let Some(not) = inner.get("not").filter(|not| not.is_object()) {
        covered(errors, not, schema, &inner_path.child("not"), path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(spec: Value, expected: Expect) {
        let mut errors = ErrorList::new();
        validate(&mut errors, &json!({"type": "object", "properties": {"spec": spec}}), &Path::new("s"));
        expected.assert_eq(&errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn what_junctors_speak_of_is_described_outside_of_them() {
        check(
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "oneOf": [{"required": ["a"], "properties": {"b": {"minLength": 1}}}]}),
            expect![
                "s.properties[spec].properties[b]: Required value: because it is defined in s.properties[spec].oneOf[0].properties[b]"
            ],
        );
        check(
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"properties": {"a": {"type": "string", "minLength": 1}}}]}),
            expect!["s.properties[spec].anyOf[0].properties[a].type: Forbidden: must be empty to be structural"],
        );
    }

    #[test]
    fn int_or_string_may_be_said_in_the_long_way() {
        let long = json!([{"type": "integer"}, {"type": "string"}]);
        check(json!({"x-kubernetes-int-or-string": true, "anyOf": long}), expect![""]);
        check(
            json!({"x-kubernetes-int-or-string": true, "allOf": [{"anyOf": long}, {"pattern": "^[0-9]+%?$"}]}),
            expect![""],
        );
        check(
            json!({"anyOf": long}),
            expect!["s.properties[spec].type: Required value: must not be empty for specified object fields"],
        );
    }

    #[test]
    fn places_have_a_type_and_lists_have_items() {
        check(json!({"type": "array"}), expect!["s.properties[spec].items: Required value: must be specified"]);
        check(
            json!({"type": "array", "items": {"properties": {}}}),
            expect!["s.properties[spec].items.type: Required value: must not be empty for specified array items"],
        );
        check(json!({"x-kubernetes-preserve-unknown-fields": true}), expect![""]);
        check(
            json!({"type": "object", "x-kubernetes-embedded-resource": true}),
            expect![
                "s.properties[spec].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
            ],
        );
        check(
            json!({"type": "string", "pattern": "("}),
            expect![[r#"
                s.properties[spec].pattern: Invalid value: "(": must be a valid regular expression, but isn't: regex parse error:
                    (
                    ^
                error: unclosed group"#]],
        );
    }
}

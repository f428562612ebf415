//! What the rules of a definition may cost. Upstream: `CELSchemaContext` and `TotalCost` in
//! `apiextensions-apiserver/pkg/apis/apiextensions/validation/cel_validation.go`, sizes in `apiserver/pkg/cel/common/schemas.go`.

use std::collections::BTreeMap;

use sampan_cel::{Shape, escape};
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use super::super::schema::{Additional, Schema, Type};
use super::{Rule, type_of};

/// What one rule may cost, by estimate.
const RULE_LIMIT: u64 = 10_000_000;
/// What all rules of a version may cost together.
const VERSION_LIMIT: u64 = 100_000_000;
/// Rules that cost more than this are named where all together cost too much.
const WORTH_NAMING: u64 = VERSION_LIMIT / 100;
const NAMED: usize = 4;
/// The largest request; what has no bound of its own is bounded by it.
const REQUEST: u64 = 3 * 1024 * 1024;

/// What is too costly in the schemas of a definition. Of a schema that is as it was, single rules are let pass.
pub(in super::super) fn check(definition: &Value, old: Option<&Value>) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec").child("versions");
    for (index, version) in object::list_at(definition, "/spec/versions").iter().enumerate() {
        let Some(schema) = version.pointer("/schema/openAPIV3Schema") else { continue };
        let versions = old.map(|old| object::list_at(old, "/spec/versions")).unwrap_or_default();
        let before = versions.iter().find(|before| before.get("name") == version.get("name"));
        let is_as_it_was = before.is_some_and(|before| before.pointer("/schema/openAPIV3Schema") == Some(schema));
        let path = path.index(index).child("schema").child("openAPIV3Schema");
        let mut sum = Sum { lenient: is_as_it_was, ..Sum::default() };
        sum.at(schema, true, Some(1), &path);
        errors.extend(sum.judge(&path));
    }
    errors
}

#[derive(Default)]
struct Sum {
    lenient: bool,
    total: u64,
    dear: Vec<(u64, Path)>,
    errors: ErrorList,
}

impl Sum {
    /// `times` is how often there can be such a place in an object, if its schema bounds it.
    fn at(&mut self, schema: &Value, root: bool, times: Option<u64>, path: &Path) {
        if !object::list_at(schema, "/x-kubernetes-validations").is_empty() {
            self.rules(schema, root, times, &path.child("x-kubernetes-validations"));
        }
        let below = times.zip(multiplicity(schema)).map(|(times, each)| times.saturating_mul(each));
        for keyword in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(keyword).filter(|inner| inner.is_object()) {
                self.at(inner, false, below, &path.child(keyword));
            }
        }
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            self.at(property, false, below, &path.child("properties").key(name));
        }
    }

    fn rules(&mut self, source: &Value, root: bool, times: Option<u64>, path: &Path) {
        let schema = Schema::compile(source);
        let whole = root || schema.embedded;
        let (type_, size) = (type_of(&schema, whole), Sized::of(&schema, whole));
        // At least a comma lies between two of them.
        let times = times.unwrap_or(REQUEST / (size.least + 1));
        for (index, rule) in object::list_at(source, "/x-kubernetes-validations").iter().enumerate() {
            let Ok(rule) = Rule::compile(rule, &type_) else { continue };
            let path = path.index(index);
            let cost = rule.program.worst_cost(&size.shape).saturating_mul(times);
            self.add(cost, "estimated rule cost", path.child("rule"));
            if let Some(message) = &rule.message_expression {
                let cost = message.worst_cost(&size.shape);
                self.add(cost, "estimated messageExpression cost", path.child("messageExpression"));
            }
        }
    }

    fn add(&mut self, cost: u64, name: &str, path: Path) {
        if cost > RULE_LIMIT && !self.lenient {
            self.errors.push(field::forbidden(&path, too_costly(name, cost, RULE_LIMIT)));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= WORTH_NAMING {
            self.dear.push((cost, path));
        }
    }

    fn judge(mut self, path: &Path) -> ErrorList {
        if self.total <= VERSION_LIMIT {
            return self.errors;
        }
        self.dear.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        for (_, path) in self.dear.iter().take(NAMED) {
            let why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            self.errors.push(field::forbidden(path, why));
        }
        let name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        self.errors.push(field::forbidden(path, too_costly(name, self.total, VERSION_LIMIT)));
        self.errors
    }
}

/// How many of what lies below there are for each of these; `None`: no bound is given. Upstream: `extractMaxElements`.
fn multiplicity(schema: &Value) -> Option<u64> {
    let limit = |name: &str| schema.get(name).and_then(Value::as_i64).map(|limit| u64::try_from(limit).unwrap_or(0));
    match object::str_at(schema, "/type") {
        Some("object") if schema.get("additionalProperties").is_some() => limit("maxProperties"),
        Some("array") => limit("maxItems"),
        _ => Some(1),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a factor in a message")]
fn too_costly(name: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        huge if huge > 100.0 => "more than 100x".to_owned(),
        small if small < 1.5 => format!("{small:.6}x"),
        other => format!("{other:.1}x"),
    };
    format!(
        "{name} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where \
         arrays, maps, and strings are declared)"
    )
}

/// How much there can be of what a schema describes, and how many bytes of JSON it takes at least.
struct Sized {
    shape: Shape,
    least: u64,
}

impl Sized {
    /// Upstream: `SchemaDeclType`.
    fn of(schema: &Schema, whole: bool) -> Self {
        let plain = |elements: u64, least: u64| Sized { shape: Shape { elements, ..Shape::default() }, least };
        if schema.int_or_string {
            return plain(bytes(schema).unwrap_or(REQUEST - 2), 1);
        }
        match schema.type_ {
            None => plain(0, 1),
            Some(Type::Boolean) => plain(0, 4),
            Some(Type::Integer | Type::Number) => plain(0, 1),
            Some(Type::String) => match schema.limits.format.as_deref() {
                Some("byte") => plain(schema.limits.max_length.map_or(REQUEST - 2, count), 2),
                Some("duration") => plain(32, 3),
                Some("date") => plain(12, 12),
                Some("date-time") => plain(32, 21),
                _ => plain(bytes(schema).or_else(|| longest_value(schema)).unwrap_or(REQUEST - 2), 2),
            },
            Some(Type::Array) => {
                let items =
                    schema.items.as_deref().map_or_else(|| plain(0, 1), |items| Self::of(items, items.embedded));
                let elements = schema.limits.max_items.map_or((REQUEST - 2) / (items.least + 1), count);
                Self::holding(elements, items)
            }
            Some(Type::Object) => Self::of_object(schema, whole),
        }
    }

    fn of_object(schema: &Schema, whole: bool) -> Self {
        if let Some(Additional::Schema(values)) = &schema.additional {
            let values = Self::of(values, values.embedded);
            // A key has two quotes, a colon and a comma, and differs from the others.
            let elements = schema.limits.max_properties.map_or((REQUEST - 2) / (values.least + 6), count);
            return Self::holding(elements, values);
        }
        let (mut fields, mut least) = (BTreeMap::new(), 2);
        for (name, property) in &schema.properties {
            let size = Self::of(property, property.embedded);
            if property.default.is_none() && schema.limits.required.contains(name) {
                least += count(name.len()) + size.least + 4;
            }
            if let Some(escaped) = escape(name) {
                fields.insert(escaped, size.shape);
            }
        }
        if whole {
            let text = || Shape { elements: REQUEST - 2, ..Shape::default() };
            let names = ["name", "generateName"].map(|name| (name.to_owned(), text()));
            let metadata = Shape { fields: names.into(), ..Shape::default() };
            fields.extend([("apiVersion".into(), text()), ("kind".into(), text()), ("metadata".into(), metadata)]);
        }
        Sized { shape: Shape { fields, ..Shape::default() }, least }
    }

    fn holding(elements: u64, items: Sized) -> Self {
        Sized { shape: Shape { elements, items: Some(Box::new(items.shape)), ..Shape::default() }, least: 2 }
    }
}

/// A character takes four bytes at most.
fn bytes(schema: &Schema) -> Option<u64> {
    schema.limits.max_length.map(|length| count(length).saturating_mul(4))
}

fn longest_value(schema: &Schema) -> Option<u64> {
    schema.limits.values.iter().filter_map(Value::as_str).map(|text| count(text.len())).max()
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn definition(spec: Value) -> Value {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}});
        json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}})
    }

    fn told(errors: &ErrorList) -> String {
        let short = |error: &field::Error| error.to_string().replace("spec.versions[0].schema.openAPIV3Schema.", "");
        errors.iter().map(short).collect::<Vec<_>>().join("\n")
    }

    fn check(spec: Value, expected: Expect) {
        expected.assert_eq(&told(&super::check(&definition(spec), None)));
    }

    fn list(more: Value, rule: &str) -> Value {
        let mut list =
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": [{"rule": rule}]});
        list.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "list": list })
    }

    #[test]
    fn a_rule_that_may_cost_too_much_is_refused() {
        check(list(json!({}), "self.all(x, x == 'a')"), expect![""]);
        check(
            list(json!({}), "self.all(x, x.startsWith('01234567890123456789012345678901234567890123456789012345'))"),
            expect![
                "properties[spec].properties[list].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of 1.048575x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
            ],
        );
        check(
            list(json!({}), "self.all(x, self.all(y, x == y))"),
            expect![[r#"
            properties[spec].properties[list].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)
            properties[spec].properties[list].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema
            spec.versions[0].schema.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"#]],
        );
        check(
            list(json!({"maxItems": 10}), "self.all(x, self.all(y, x == y))"),
            expect![
                "properties[spec].properties[list].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of 3.1x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
            ],
        );
        let bounded = json!({"maxItems": 10, "items": {"type": "string", "maxLength": 20}});
        check(list(bounded, "self.all(x, self.all(y, x == y))"), expect![""]);
    }

    #[test]
    fn what_lies_in_lists_counts_as_often_as_it_may_be_there() {
        let items = |max: Value| {
            let item = json!({"type": "string", "maxLength": 1000, "x-kubernetes-validations": [{"rule": "self.matches('^[a-z0-9]+$')"}]});
            let mut list = json!({"type": "array", "items": item});
            list.as_object_mut().unwrap().extend(max.as_object().unwrap().clone());
            json!({ "list": list })
        };
        check(items(json!({"maxItems": 100})), expect![""]);
        check(
            items(json!({"maxItems": 20_000})),
            expect![
                "properties[spec].properties[list].items.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of 2.4x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
            ],
        );
        check(
            items(json!({})),
            expect![[r#"
            properties[spec].properties[list].items.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)
            properties[spec].properties[list].items.x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema
            spec.versions[0].schema.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of 12.6x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"#]],
        );
    }

    #[test]
    fn all_rules_of_a_version_together_have_a_limit() {
        let rule = |name: &str| {
            (name.to_owned(), list(json!({"maxItems": 1_000_000}), "self.all(x, x.size() < 5)")["list"].clone())
        };
        let spec: serde_json::Map<String, Value> = (0..19).map(|n| rule(&format!("l{n:02}"))).collect();
        check(
            spec.into(),
            expect![[r#"
            properties[spec].properties[l00].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema
            properties[spec].properties[l01].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema
            properties[spec].properties[l02].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema
            properties[spec].properties[l03].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema
            spec.versions[0].schema.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of 1.140000x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"#]],
        );
    }

    #[test]
    fn a_schema_that_was_taken_before_is_taken_again() {
        let items = json!({"items": {"type": "string", "maxLength": 40}});
        let before = definition(list(items.clone(), "self.all(x, x.contains('abc'))"));
        assert_eq!(super::check(&before, None).len(), 1);
        assert_eq!(told(&super::check(&before, Some(&before))), "");
        let after = definition(list(items, "self.all(x, x.contains('abcd'))"));
        assert_eq!(super::check(&after, Some(&before)).len(), 1);
    }
}

//! What is kept of a value, and what it is completed with. Upstream: `schema/pruning`, `schema/defaulting`, `schema/objectmeta`.

use sampan_meta::decode;
use serde_json::{Map, Value};

use super::schema::{Additional, Schema};

/// Takes out what no schema declares; answers where it was. `root` has kind and metadata, as an embedded object has.
///
/// # Errors
/// When the metadata is not what metadata has to be.
pub(crate) fn prune(schema: &Schema, object: &mut Value) -> Result<Vec<String>, decode::DecodeError> {
    let mut walk = Prune { path: String::new(), unknown: Vec::new(), failure: None };
    walk.value(schema, object, true);
    walk.failure.map_or(Ok(walk.unknown), Err)
}

/// As [`prune`], of a value that is not a whole object. Answers where something was taken out.
pub(crate) fn prune_part(schema: &Schema, value: &mut Value) -> Vec<String> {
    let mut walk = Prune { path: String::new(), unknown: Vec::new(), failure: None };
    walk.value(schema, value, false);
    walk.unknown
}

struct Prune {
    path: String,
    unknown: Vec<String>,
    failure: Option<decode::DecodeError>,
}

impl Prune {
    fn value(&mut self, schema: &Schema, value: &mut Value, whole: bool) {
        let length = self.path.len();
        match value {
            Value::Object(members) => self.members(schema, members, whole || schema.embedded),
            Value::Array(list) => {
                let Some(items) = &schema.items else { return };
                for (index, item) in list.iter_mut().enumerate() {
                    self.path.push_str(&format!("[{index}]"));
                    self.value(items, item, false);
                    self.path.truncate(length);
                }
            }
            _ => (),
        }
    }

    fn members(&mut self, schema: &Schema, members: &mut Map<String, Value>, whole: bool) {
        let length = self.path.len();
        members.retain(|name, value| {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(name);
            let kept = match (whole, name.as_str()) {
                (true, "apiVersion" | "kind") => true,
                (true, "metadata") => self.metadata(value),
                _ => match (schema.member(name), &schema.additional) {
                    (Some(member), _) => {
                        self.value(member, value, false);
                        true
                    }
                    (None, Some(Additional::Any)) => true,
                    _ => schema.preserves,
                },
            };
            if !kept {
                self.unknown.push(self.path.clone());
            }
            self.path.truncate(length);
            kept
        });
    }

    fn metadata(&mut self, value: &mut Value) -> bool {
        if value.is_null() {
            return false;
        }
        let schema = sampan_api::schema();
        let type_ = schema.get("apis.meta.v1.ObjectMeta").expect("every schema has the metadata");
        match decode::conform(schema, type_, value) {
            Ok(unknown) => self.unknown.extend(unknown.into_iter().map(|field| format!("{}.{field}", self.path))),
            Err(failure) => self.failure = Some(failure),
        }
        true
    }
}

/// Completes a value with the defaults of its schema. Null counts as absent where it may not be.
pub(crate) fn default(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, value| {
                let dropped = |member: &Schema| !member.nullable && member.default.is_none();
                !(value.is_null() && schema.member(name).is_some_and(dropped))
            });
            for (name, property) in &schema.properties {
                let Some(default) = &property.default else { continue };
                match members.get(name) {
                    Some(present) if !present.is_null() || property.nullable => (),
                    _ => drop(members.insert(name.clone(), default.clone())),
                }
            }
            for (name, value) in members {
                if let Some(member) = schema.member(name) {
                    fill(member, value);
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = &schema.items else { return };
            list.iter_mut().for_each(|item| fill(items, item));
        }
        _ => (),
    }
}

fn fill(schema: &Schema, value: &mut Value) {
    if value.is_null()
        && !schema.nullable
        && let Some(default) = &schema.default
    {
        *value = default.clone();
    }
    default(schema, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn schema() -> Schema {
        Schema::compile(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "size": {"type": "integer", "default": 3},
            "note": {"type": "string", "nullable": true},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"known": {"type": "object", "properties": {}}}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "parts": {"type": "array", "items": {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}}}},
            "template": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
        }}}}))
    }

    fn check(mut object: Value, expected: Expect) {
        let unknown = prune(&schema(), &mut object).unwrap();
        default(&schema(), &mut object);
        expected.assert_eq(&format!("{object}\n{}", unknown.join(" ")));
    }

    #[test]
    fn what_nobody_declared_goes_and_is_told() {
        check(
            json!({"metadata": {"name": "a", "colour": "red"}, "spec": {"size": 1, "siez": 2, "any": {"x": 1, "known": {"y": 1}}, "labels": {"a": "b"},
                "parts": [{"port": 1}], "template": {"kind": "Pod", "metadata": {"name": "t", "odd": 1}, "more": 1}}, "more": {}}),
            expect![[r#"
                {"metadata":{"name":"a"},"spec":{"any":{"known":{},"x":1},"labels":{"a":"b"},"parts":[{"protocol":"TCP"}],"size":1,"template":{"kind":"Pod","metadata":{"name":"t"}}}}
                metadata.colour more spec.any.known.y spec.parts[0].port spec.siez spec.template.metadata.odd spec.template.more"#]],
        );
    }

    #[test]
    fn null_is_absent_unless_it_may_be() {
        check(
            json!({"spec": {"size": null, "note": null, "labels": null}}),
            expect![[r#"
                {"spec":{"note":null,"size":3}}
            "#]],
        );
    }
}

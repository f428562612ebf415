//! The same schemas as OpenAPI v2 (Swagger) has them.
//!
//! Upstream makes them from one source too (kube-openapi `pkg/builder`): there are no defaults, keywords may stand beside a `$ref`, and there
//! are no unions, so that what is one is a string or anything.

use serde_json::{Map, Value, json};

const V3: &str = "#/components/schemas/";
const V2: &str = "#/definitions/";

/// Turns what [`components`](super::components) made into the `definitions` of a v2 document.
pub fn definitions(components: Map<String, Value>) -> Map<String, Value> {
    components.into_iter().map(|(name, component)| (name, schema(component))).collect()
}

/// Turns one schema of v3 into one of v2.
pub fn schema(mut schema: Value) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    members.remove("default");
    if let Some(Value::Array(parts)) = members.remove("allOf") {
        members.extend(parts.into_iter().filter_map(object).flatten());
    }
    if members.remove("oneOf").is_some() {
        members.insert("type".to_owned(), "string".into());
    }
    if let Some(Value::String(reference)) = members.get_mut("$ref") {
        *reference = reference.replace(V3, V2);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(name) {
            *inner = self::schema(inner.take());
        }
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        for property in properties.values_mut() {
            *property = self::schema(property.take());
        }
    }
    schema
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// A reference to a definition.
pub fn reference(component: &str) -> Value {
    json!({ "$ref": format!("{V2}{component}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::{Descriptions, components};

    #[test]
    fn schemas_lose_what_v2_cannot_say() {
        let made = definitions(components(["core.v1.PodSpec"].into_iter(), &Descriptions::read()));
        let property = |type_: &str, field: &str| {
            let mut property = made[type_]["properties"][field].clone();
            property.as_object_mut().unwrap().remove("description").expect("every field says what it is");
            property.to_string()
        };
        assert_eq!(
            property("io.k8s.api.core.v1.Container", "resources"),
            r##"{"$ref":"#/definitions/io.k8s.api.core.v1.ResourceRequirements"}"##
        );
        assert_eq!(
            property("io.k8s.api.core.v1.PodSpec", "containers"),
            r##"{"items":{"$ref":"#/definitions/io.k8s.api.core.v1.Container"},"type":"array","x-kubernetes-list-map-keys":["name"],"x-kubernetes-list-type":"map","x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge"}"##
        );
        let either = &made["io.k8s.apimachinery.pkg.util.intstr.IntOrString"];
        assert_eq!((&either["type"], &either["format"]), (&json!("string"), &json!("int-or-string")));
        let text = Value::Object(made).to_string();
        assert!(!text.contains("\"default\":") && !text.contains("allOf\":[") && !text.contains(V3));
    }
}

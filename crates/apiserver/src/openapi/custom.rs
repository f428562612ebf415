//! Custom kinds in OpenAPI: their definition's schema, completed by what every object has. Upstream: `controller/openapi/builder`.

use sampan_api::openapi::{Descriptions, component_name};
use sampan_meta::GroupVersion;
use serde_json::{Map, Value, json};

use crate::discovery::Served;

/// A kind whose `apiVersion`, `kind` and `metadata` are described as everybody's are.
const ANY_KIND: &str = "io.k8s.api.core.v1.Pod";

/// `com.example.v1.Pot`: the group's parts turned around, the version and the kind.
pub(super) fn name(group: &str, version: &str, kind: &str) -> String {
    let mut parts: Vec<&str> = group.split('.').rev().collect();
    parts.extend([version, kind]);
    parts.join(".")
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The components of a kind and its list.
pub(super) fn add(
    components: &mut Map<String, Value>,
    (group, version): (&str, &str),
    served: &Served,
    descriptions: &Descriptions,
) {
    let Some(resource) = &served.custom else { return };
    let schema = resource.published_schema().cloned().unwrap_or_default();
    let kind = |kind: &str| json!([{ "group": group, "version": version, "kind": kind }]);
    let own = name(group, version, served.kind);
    let mut object = whole(schema, descriptions);
    object["x-kubernetes-group-version-kind"] = kind(served.kind);
    let list_kind = resource.names.list_kind;
    let mut properties = whole_properties("apis.meta.v1.ListMeta", descriptions);
    let api_version = GroupVersion::new(group, version).api_version();
    properties.insert("items".to_owned(), json!({ "type": "array", "items": reference(&own),
        "description": format!("List of {}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md", resource.names.plural) }));
    let list = json!({
        "description": format!("{list_kind} is a list of {} in {api_version}", served.kind),
        "type": "object",
        "required": ["items"],
        "properties": properties,
        "x-kubernetes-group-version-kind": kind(list_kind),
    });
    components.insert(own, object);
    components.insert(name(group, version, list_kind), list);
}

fn whole(mut schema: Value, descriptions: &Descriptions) -> Value {
    if !schema.is_object() {
        schema = json!({ "type": "object" });
    }
    embedded(&mut schema, descriptions);
    let own = schema["properties"].as_object().cloned().unwrap_or_default();
    let mut properties = own;
    properties.extend(whole_properties("apis.meta.v1.ObjectMeta", descriptions));
    schema["properties"] = properties.into();
    schema
}

/// What every object has.
fn whole_properties(metadata: &str, descriptions: &Descriptions) -> Map<String, Value> {
    let mut properties = Map::new();
    for name in ["apiVersion", "kind"] {
        let description = descriptions.field(ANY_KIND, name);
        properties.insert(name.to_owned(), json!({ "type": "string", "description": description }));
    }
    let mut member = json!({ "allOf": [reference(&component_name(metadata))], "default": {} });
    member["description"] = descriptions.field(ANY_KIND, "metadata").into();
    properties.insert("metadata".to_owned(), member);
    properties
}

/// Objects within the object have kind and metadata, too.
fn embedded(schema: &mut Value, descriptions: &Descriptions) {
    let Some(members) = schema.as_object_mut() else { return };
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        for property in properties.values_mut() {
            embedded(property, descriptions);
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(keyword) {
            embedded(inner, descriptions);
        }
    }
    if members.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true)) {
        let properties = members.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.extend(whole_properties("apis.meta.v1.ObjectMeta", descriptions));
        }
    }
}

/// A schema without what v2 cannot say. Upstream: `ToStructuralOpenAPIV2`.
pub(super) fn simplified(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    for keyword in ["anyOf", "oneOf", "not", "nullable", "default", "x-kubernetes-validations"] {
        let was_nullable = members.remove(keyword) == Some(Value::Bool(true)) && keyword == "nullable";
        // A v2 client would refuse null for a value with a type.
        if was_nullable {
            for describing in ["type", "items", "properties", "additionalProperties", "enum"] {
                members.remove(describing);
            }
        }
    }
    if members.get("allOf").and_then(Value::as_array).is_some_and(|all| all.iter().all(|one| one.get("$ref").is_none()))
    {
        members.remove("allOf");
    }
    if members.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
        members.remove("items");
        members.remove("properties");
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        properties.values_mut().for_each(simplified);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(keyword) {
            simplified(inner);
        }
    }
}

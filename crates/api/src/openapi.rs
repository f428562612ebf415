//! The `components.schemas` of OpenAPI v3 documents, made from the schema table in upstream's form and naming.
//!
//! kubectl reads types for `explain`, patch strategies and merge keys for `apply`, and kinds for validation; other clients generate code.
//! [`v2`] turns them into what OpenAPI v2 can say.

mod descriptions;
pub mod v2;

use sampan_meta::GroupVersion;
use sampan_meta::schema::{Element, Field, ListType, Schema, Shape, Type};
use serde_json::{Map, Value, json};

pub use descriptions::Descriptions;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

/// What upstream calls a type in OpenAPI: `io.k8s.api.core.v1.Pod` for `core.v1.Pod`.
pub fn component_name(type_name: &str) -> String {
    match type_name.split('.').next() {
        Some("apis" | "version") => format!("io.k8s.apimachinery.pkg.{type_name}"),
        Some("apiextensions") => format!("io.k8s.apiextensions-apiserver.pkg.apis.{type_name}"),
        Some("metrics") => format!("io.k8s.metrics.pkg.apis.{type_name}"),
        Some("apiregistration") => format!("io.k8s.kube-aggregator.pkg.apis.{type_name}"),
        _ => format!("io.k8s.api.{type_name}"),
    }
}

/// The schemas of these types and of all they refer to, by component name. Names that are in no schema are left out.
pub fn components<'a>(types: impl Iterator<Item = &'a str>, descriptions: &Descriptions) -> Map<String, Value> {
    let schema = crate::schema();
    let mut components = Components { schema, descriptions, made: Map::new() };
    for type_ in types.filter_map(|name| schema.get(name)) {
        components.add(type_);
    }
    components.made
}

struct Components<'a> {
    schema: &'a Schema,
    descriptions: &'a Descriptions,
    made: Map<String, Value>,
}

impl Components<'_> {
    fn add(&mut self, type_: &Type) {
        let name = component_name(type_.name);
        if self.made.contains_key(&name) {
            return;
        }
        // In place before its fields are, so that types that contain themselves come to an end.
        self.made.insert(name.clone(), Value::Null);
        let component = self.component(&name, type_);
        self.made.insert(name, component);
    }

    fn component(&mut self, name: &str, type_: &Type) -> Value {
        let mut component = json!({"type": "object"});
        let properties: Map<String, Value> =
            type_.fields().iter().map(|field| (field.name.to_owned(), self.described(name, field))).collect();
        if let Some(description) = self.descriptions.component(name) {
            component["description"] = description.into();
        }
        if !properties.is_empty() {
            component["properties"] = Value::Object(properties);
        }
        let required: Vec<&str> =
            type_.fields().iter().filter(|field| field.required).map(|field| field.name).collect();
        if !required.is_empty() {
            component["required"] = required.into();
        }
        if let Some(api_version) = type_.api_version {
            component["x-kubernetes-group-version-kind"] = json!([group_version_kind(api_version, type_.short_name())]);
        }
        if type_.atomic {
            component["x-kubernetes-map-type"] = "atomic".into();
        }
        component
    }

    fn described(&mut self, component: &str, field: &Field) -> Value {
        let property = self.property(field);
        match self.descriptions.field(component, field.name) {
            Some(description) => with(property, "description", description.into()),
            None => property,
        }
    }

    fn property(&mut self, field: &Field) -> Value {
        let mut property = match field.shape {
            Shape::One => self.element(field),
            Shape::List => json!({"type": "array", "items": self.inner(field)}),
            Shape::Map => json!({"type": "object", "additionalProperties": self.inner(field)}),
        };
        if field.shape == Shape::List {
            describe_list(field, &mut property);
        }
        if field.atomic_map {
            property["x-kubernetes-map-type"] = "atomic".into();
        }
        if let Some(patch) = field.patch {
            property = with(property, "x-kubernetes-patch-strategy", patch.strategy.into());
            if !patch.key.is_empty() {
                property = with(property, "x-kubernetes-patch-merge-key", patch.key.into());
            }
        }
        match default(field) {
            Some(default) => with(property, "default", default),
            None => property,
        }
    }

    /// An element of a list or a value of a map: objects and plain values default to their zero value.
    fn inner(&mut self, field: &Field) -> Value {
        let element = self.element(field);
        match zero(field.element) {
            Some(zero) => with(element, "default", zero),
            None => element,
        }
    }

    fn element(&mut self, field: &Field) -> Value {
        match field.element {
            Element::String => json!({"type": "string"}),
            Element::Int32 => json!({"type": "integer", "format": "int32"}),
            Element::Int64 => json!({"type": "integer", "format": "int64"}),
            Element::Bool => json!({"type": "boolean"}),
            Element::Double => json!({"type": "number", "format": "double"}),
            Element::Bytes => json!({"type": "string", "format": "byte"}),
            Element::StringList => json!({"type": "array", "items": {"type": "string", "default": ""}}),
            Element::Message(id) => {
                let type_ = self.schema.type_at(id);
                self.add(type_);
                reference(&component_name(type_.name))
            }
            Element::SchemaOrBool(id) | Element::SchemaOrArray(id) | Element::SchemaOrStrings(id) => {
                self.add(self.schema.type_at(id));
                self.special(field.element)
            }
            special => self.special(special),
        }
    }

    /// A type whose JSON form is not an object of its fields; upstream gives each a component of its own.
    fn special(&mut self, element: Element) -> Value {
        let (name, mut component) = match element {
            Element::Time => (format!("{META}.Time"), json!({"type": "string", "format": "date-time"})),
            Element::MicroTime => (format!("{META}.MicroTime"), json!({"type": "string", "format": "date-time"})),
            Element::FieldsV1 => (format!("{META}.FieldsV1"), json!({"type": "object"})),
            Element::Raw => ("io.k8s.apimachinery.pkg.runtime.RawExtension".to_owned(), json!({"type": "object"})),
            Element::Quantity => (
                "io.k8s.apimachinery.pkg.api.resource.Quantity".to_owned(),
                json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
            ),
            Element::IntOrString => (
                "io.k8s.apimachinery.pkg.util.intstr.IntOrString".to_owned(),
                json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
            ),
            Element::SchemaOrBool(_) => (format!("{EXTENSIONS}.JSONSchemaPropsOrBool"), json!({})),
            Element::SchemaOrArray(_) => (format!("{EXTENSIONS}.JSONSchemaPropsOrArray"), json!({})),
            Element::SchemaOrStrings(_) => (format!("{EXTENSIONS}.JSONSchemaPropsOrStringArray"), json!({})),
            _ => (format!("{EXTENSIONS}.JSON"), json!({})),
        };
        let reference = reference(&name);
        if let Some(description) = self.descriptions.component(&name) {
            component["description"] = description.into();
        }
        self.made.entry(name).or_insert(component);
        reference
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Adds a keyword. Nothing may stand beside a `$ref`, so that moves into an `allOf`.
fn with(mut property: Value, keyword: &str, value: Value) -> Value {
    if property.get("$ref").is_some() {
        property = json!({"allOf": [property]});
    }
    property[keyword] = value;
    property
}

fn default(field: &Field) -> Option<Value> {
    if let Some(text) = field.default {
        return serde_json::from_str(text).ok();
    }
    (field.always && field.shape == Shape::One).then(|| zero(field.element)).flatten()
}

fn zero(element: Element) -> Option<Value> {
    match element {
        Element::String => Some("".into()),
        Element::Int32 | Element::Int64 | Element::Double => Some(0.into()),
        Element::Bool => Some(false.into()),
        Element::Message(_) => Some(json!({})),
        _ => None,
    }
}

fn describe_list(field: &Field, property: &mut Value) {
    let list_type = match field.list {
        ListType::Atomic => "atomic",
        ListType::Set => "set",
        ListType::Map(_) => "map",
    };
    property["x-kubernetes-list-type"] = list_type.into();
    let keys: Vec<&str> = field.list_map_keys().collect();
    if !keys.is_empty() {
        property["x-kubernetes-list-map-keys"] = keys.into();
    }
}

fn group_version_kind(api_version: &str, kind: &str) -> Value {
    let api_version = if api_version == "*" { "v1" } else { api_version };
    let GroupVersion { group, version } = GroupVersion::parse(api_version);
    json!({"group": group, "version": version, "kind": kind})
}

#[cfg(test)]
mod tests;

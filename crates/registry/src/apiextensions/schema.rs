//! A structural schema, compiled. Upstream: `apiextensions-apiserver/pkg/apiserver/schema`.

use std::collections::BTreeMap;

use regex::Regex;
use sampan_meta::apply::Items;
use serde_json::Value;

use super::pattern;
use super::rules::Rules;

/// What a value may be, what it is completed with and what is kept of it. Junctors (`anyOf` and its kin) hold schemas of the same form that
/// only restrict.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(super) type_: Option<Type>,
    pub(super) properties: BTreeMap<String, Schema>,
    pub(super) additional: Option<Additional>,
    pub(super) items: Option<Box<Schema>>,
    pub(super) nullable: bool,
    pub(super) default: Option<Value>,
    /// Members nobody declared stay.
    pub(super) preserves: bool,
    /// A whole object with kind and metadata of its own.
    pub(super) embedded: bool,
    pub(super) int_or_string: bool,
    pub(super) list: Option<Items>,
    pub(super) atomic_map: bool,
    pub(super) limits: Limits,
    pub(super) all_of: Vec<Schema>,
    pub(super) any_of: Vec<Schema>,
    pub(super) one_of: Vec<Schema>,
    pub(super) not: Option<Box<Schema>>,
    pub(super) rules: Option<Rules>,
    /// There are rules here or below.
    pub(super) has_rules: bool,
}

/// A JSON type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// `additionalProperties`.
#[derive(Debug)]
pub(super) enum Additional {
    /// `true`: anything.
    Any,
    Schema(Box<Schema>),
}

/// What restricts a value of the right type.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) format: Option<String>,
    pub(super) minimum: Option<f64>,
    pub(super) exclusive_minimum: bool,
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_maximum: bool,
    pub(super) multiple_of: Option<f64>,
    pub(super) min_length: Option<usize>,
    pub(super) max_length: Option<usize>,
    pub(super) pattern: Option<(String, Regex)>,
    pub(super) min_items: Option<usize>,
    pub(super) max_items: Option<usize>,
    pub(super) min_properties: Option<usize>,
    pub(super) max_properties: Option<usize>,
    pub(super) values: Vec<Value>,
    pub(super) required: Vec<String>,
}

impl Type {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("array", Self::Array),
        ("boolean", Self::Boolean),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("object", Self::Object),
        ("string", Self::String),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, type_)| *type_)
    }

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, type_)| *type_ == self).map_or("", |(name, _)| name)
    }
}

impl Schema {
    /// Compiles `openAPIV3Schema` as it lies in a definition. What validation would refuse is passed over.
    pub(crate) fn compile(schema: &Value) -> Self {
        let mut compiled = Self::compile_structure(schema);
        compiled.rules = Rules::compile(schema, &compiled, false);
        compiled.note_rules();
        compiled
    }

    /// As [`Schema::compile`], of whole objects: the rules of the root see their kind and name.
    pub(crate) fn compile_root(schema: &Value) -> Self {
        let mut compiled = Self::compile_structure(schema);
        compiled.rules = Rules::compile(schema, &compiled, true);
        compiled.note_rules();
        compiled
    }

    fn note_rules(&mut self) {
        let additional = match &self.additional {
            Some(Additional::Schema(schema)) => Some(&**schema),
            _ => None,
        };
        let mut below = self.properties.values().chain(self.items.as_deref()).chain(additional);
        self.has_rules = self.rules.is_some() || below.any(|schema| schema.has_rules);
    }

    fn compile_structure(schema: &Value) -> Self {
        let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
        let text = |name: &str| schema.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let all =
            |name: &str| schema.get(name).and_then(Value::as_array).into_iter().flatten().map(Self::compile).collect();
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        Self {
            type_: text("type").and_then(Type::parse),
            properties: properties.map(|(name, property)| (name.clone(), Self::compile(property))).collect(),
            additional: additional(schema),
            items: schema.get("items").filter(|items| items.is_object()).map(|items| Box::new(Self::compile(items))),
            nullable: flag("nullable"),
            default: schema.get("default").filter(|default| !default.is_null()).cloned(),
            preserves: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            list: text("x-kubernetes-list-type").map(|type_| items_of(type_, schema)),
            atomic_map: text("x-kubernetes-map-type") == Some("atomic"),
            limits: Limits::compile(schema),
            all_of: all("allOf"),
            any_of: all("anyOf"),
            one_of: all("oneOf"),
            not: schema.get("not").filter(|not| not.is_object()).map(|not| Box::new(Self::compile(not))),
            rules: None,
            has_rules: false,
        }
    }

    /// The schema of a member, if one is given.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(match &self.additional {
            Some(Additional::Schema(schema)) => Some(schema),
            _ => None,
        })
    }
}

fn additional(schema: &Value) -> Option<Additional> {
    match schema.get("additionalProperties")? {
        Value::Bool(true) => Some(Additional::Any),
        Value::Object(_) => Some(Additional::Schema(Box::new(Schema::compile(&schema["additionalProperties"])))),
        _ => None,
    }
}

fn items_of(type_: &str, schema: &Value) -> Items {
    let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
    match type_ {
        "set" => Items::Set,
        "map" => Items::Map(keys.filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => Items::Atomic,
    }
}

impl Limits {
    fn compile(schema: &Value) -> Self {
        let number = |name: &str| schema.get(name).and_then(Value::as_f64);
        let count = |name: &str| schema.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
        let list = |name: &str| schema.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let text =
            |name: &str| schema.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            format: text("format"),
            minimum: number("minimum"),
            exclusive_minimum: flag("exclusiveMinimum"),
            maximum: number("maximum"),
            exclusive_maximum: flag("exclusiveMaximum"),
            multiple_of: number("multipleOf"),
            min_length: count("minLength"),
            max_length: count("maxLength"),
            pattern: text("pattern").and_then(|text| pattern::compile(&text).ok().map(|regex| (text, regex))),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            values: list("enum"),
            required: list("required").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }
}

//! The keywords of a schema. Upstream: `ValidateCustomResourceDefinitionOpenAPISchema`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use super::super::schema::{Schema, Type};
use super::super::{check, content, rules};

/// What a schema may say at its root beside a status subresource, in upstream's names.
const AT_ROOT: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems \
                       MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";
const NOT_AT_ROOT: [&str; 14] = [
    "$ref",
    "$schema",
    "id",
    "default",
    "enum",
    "maxProperties",
    "minProperties",
    "allOf",
    "oneOf",
    "anyOf",
    "not",
    "additionalProperties",
    "nullable",
    "x-kubernetes-embedded-resource",
];

/// Keywords that are never taken.
const FORBIDDEN: [&str; 6] = ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"];

pub(super) fn validate_root(errors: &mut ErrorList, schema: &Value, status: bool, path: &Path) {
    if status && NOT_AT_ROOT.iter().any(|keyword| schema.get(keyword).is_some()) {
        let why =
            format!("only {AT_ROOT} fields are allowed at the root of the schema if the status subresource is enabled");
        errors.push(field::invalid(path, schema.clone(), why));
    }
}

pub(super) fn validate(errors: &mut ErrorList, schema: &Value, root: bool, path: &Path) {
    for keyword in FORBIDDEN.into_iter().filter(|keyword| schema.get(keyword).is_some()) {
        errors.push(field::forbidden(&path.child(keyword), format!("{keyword} is not supported")));
    }
    match object::str_at(schema, "/type") {
        Some("null") => errors.push(field::forbidden(&path.child("type"), "type cannot be set to null")),
        Some(type_) if !Type::ALL.iter().any(|(known, _)| *known == type_) => {
            errors.push(field::not_supported(&path.child("type"), type_, &Type::ALL.map(|(known, _)| known)));
        }
        _ => (),
    }
    if schema["uniqueItems"] == true {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(field::forbidden(&path.child("uniqueItems"), why));
    }
    if schema.get("items").is_some_and(Value::is_array) {
        errors.push(field::forbidden(&path.child("items"), "items must be a schema object and not an array"));
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let path = path.child("x-kubernetes-preserve-unknown-fields");
        errors.push(field::invalid(&path, false, "must be true or undefined"));
    }
    let additional = schema.get("additionalProperties").filter(|additional| **additional != Value::Bool(true));
    if additional.is_some() && schema.get("properties").and_then(Value::as_object).is_some_and(|own| !own.is_empty()) {
        let why = "additionalProperties and properties are mutual exclusive";
        errors.push(field::forbidden(&path.child("additionalProperties"), why));
    }
    validate_list_type(errors, schema, path);
    validate_map_type(errors, schema, path);
    validate_rules(errors, schema, root, path);
    below(schema, path, &mut |schema, path| validate(errors, schema, false, path));
}

/// Calls for each schema right below.
pub(super) fn below(schema: &Value, path: &Path, visit: &mut dyn FnMut(&Value, &Path)) {
    for keyword in ["items", "additionalProperties", "not"] {
        if let Some(inner) = schema.get(keyword).filter(|inner| inner.is_object()) {
            visit(inner, &path.child(keyword));
        }
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        visit(property, &path.child("properties").key(name));
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for (index, inner) in object::list_at(schema, &format!("/{keyword}")).iter().enumerate() {
            visit(inner, &path.child(keyword).index(index));
        }
    }
}

fn validate_list_type(errors: &mut ErrorList, schema: &Value, path: &Path) {
    const TYPE: &str = "x-kubernetes-list-type";
    const KEYS: &str = "x-kubernetes-list-map-keys";
    let keys = object::list_at(schema, "/x-kubernetes-list-map-keys");
    let Some(list_type) = object::str_at(schema, "/x-kubernetes-list-type") else {
        if !keys.is_empty() {
            errors.push(field::required(&path.child(TYPE), "must be map if x-kubernetes-list-map-keys is non-empty"));
        }
        return;
    };
    let type_ = object::str_at(schema, "/type").unwrap_or_default();
    if type_ != "array" {
        let why = "must be array if x-kubernetes-list-type is specified";
        errors.push(match type_ {
            "" => field::required(&path.child("type"), why),
            other => field::invalid(&path.child("type"), other, why),
        });
    }
    match list_type {
        "atomic" | "set" => {
            if !keys.is_empty() {
                let why = "must be map if x-kubernetes-list-map-keys is non-empty";
                errors.push(field::invalid(&path.child(TYPE), list_type, why));
            }
            if list_type == "set" {
                validate_set(errors, schema, path);
            }
        }
        "map" if keys.is_empty() => {
            errors.push(field::required(&path.child(KEYS), "must not be empty if x-kubernetes-list-type is map"));
        }
        "map" => validate_map_keys(errors, schema, keys, path),
        other => errors.push(field::not_supported(&path.child(TYPE), other, &["atomic", "map", "set"])),
    }
}

/// Elements of a set are compared whole: lists and objects in it have to be atomic.
fn validate_set(errors: &mut ErrorList, schema: &Value, path: &Path) {
    let Some(items) = schema.get("items") else { return };
    let path = path.child("items");
    if items["nullable"] == true {
        errors.push(field::forbidden(&path.child("nullable"), "cannot be nullable when x-kubernetes-list-type is set"));
    }
    match object::str_at(items, "/type") {
        Some("object") if object::str_at(items, "/x-kubernetes-map-type") != Some("atomic") => {
            let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
            errors.push(field::invalid(
                &path.child("x-kubernetes-map-type"),
                items["x-kubernetes-map-type"].clone(),
                why,
            ));
        }
        Some("array") if !matches!(object::str_at(items, "/x-kubernetes-list-type"), None | Some("atomic")) => {
            let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
            errors.push(field::invalid(
                &path.child("x-kubernetes-list-type"),
                items["x-kubernetes-list-type"].clone(),
                why,
            ));
        }
        _ => (),
    }
}

fn validate_map_keys(errors: &mut ErrorList, schema: &Value, keys: &[Value], path: &Path) {
    let Some(items) = schema.get("items").filter(|items| items.is_object()) else {
        let why = "must have a schema if x-kubernetes-list-type is map";
        return errors.push(field::required(&path.child("items"), why));
    };
    let type_ = object::str_at(items, "/type").unwrap_or_default();
    if type_ != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(field::invalid(&path.child("items").child("type"), type_, why));
    }
    let keys_path = path.child("x-kubernetes-list-map-keys");
    let names: std::collections::BTreeSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    if names.len() < keys.len() {
        errors.push(field::invalid(&keys_path, keys.to_vec(), "entries must be unique"));
    }
    let required = object::list_at(items, "/required");
    for (index, name) in keys.iter().filter_map(Value::as_str).enumerate() {
        let Some(property) = items.get("properties").and_then(|properties| properties.get(name)) else {
            let why = "entries must all be names of item properties";
            errors.push(field::invalid(&keys_path, keys.to_vec(), why));
            continue;
        };
        let place = path.child("items").child("properties").key(name);
        if matches!(object::str_at(property, "/type"), Some("array" | "object")) {
            let why = "entries must be of a scalar type if parent array's x-kubernetes-list-type is map";
            errors.push(field::invalid(&keys_path.index(index), name, why));
        }
        if property["nullable"] == true {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(field::forbidden(&place.child("nullable"), why));
        }
        if property.get("default").is_none() && !required.iter().any(|required| required == name) {
            let why =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(field::required(&place.child("default"), why));
        }
    }
}

/// Upstream: the part of `ValidateCustomResourceDefinitionOpenAPISchema` about `x-kubernetes-validations`.
fn validate_rules(errors: &mut ErrorList, schema: &Value, root: bool, path: &Path) {
    const REASONS: [&str; 4] =
        ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    let path = path.child("x-kubernetes-validations");
    let list = object::list_at(schema, "/x-kubernetes-validations");
    for (index, rule) in list.iter().enumerate() {
        let path = path.index(index);
        let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("rule").trim().is_empty() {
            errors.push(field::required(&path.child("rule"), "rule is not specified"));
        }
        let message = text("message");
        if !message.is_empty() && message.trim().is_empty() {
            errors.push(field::invalid(&path.child("message"), message, "message must be non-empty if specified"));
        } else if message.trim().contains('\n') {
            errors.push(field::invalid(&path.child("message"), message, "message must not contain line breaks"));
        } else if message.is_empty() && text("rule").trim().contains('\n') {
            let why = "message must be specified if rule contains line breaks";
            errors.push(field::required(&path.child("message"), why));
        }
        let reason = text("reason");
        if !reason.is_empty() && !REASONS.contains(&reason) {
            errors.push(field::not_supported(&path.child("reason"), reason, &REASONS));
        }
    }
    for (index, (keyword, why)) in rules::validate(schema, root) {
        if !object::str_at(&list[index], "/rule").unwrap_or_default().trim().is_empty() {
            errors.push(field::invalid(&path.index(index).child(keyword), list[index][keyword].clone(), why));
        }
    }
}

fn validate_map_type(errors: &mut ErrorList, schema: &Value, path: &Path) {
    let Some(map_type) = object::str_at(schema, "/x-kubernetes-map-type") else { return };
    let type_ = object::str_at(schema, "/type").unwrap_or_default();
    if type_ != "object" {
        let why = "must be object if x-kubernetes-map-type is specified";
        errors.push(match type_ {
            "" => field::required(&path.child("type"), why),
            other => field::invalid(&path.child("type"), other, why),
        });
    }
    if !["atomic", "granular"].contains(&map_type) {
        errors.push(field::not_supported(&path.child("x-kubernetes-map-type"), map_type, &["atomic", "granular"]));
    }
}

/// Defaults have to be what their own schema asks for. Upstream: `structuraldefaulting.ValidateDefaults`.
pub(super) fn validate_defaults(errors: &mut ErrorList, schema: &Value, path: &Path) {
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        let compiled = Schema::compile(schema);
        let path = path.child("default");
        let mut pruned = default.clone();
        let unknown = content::prune_part(&compiled, &mut pruned);
        if !unknown.is_empty() {
            errors.push(field::invalid(&path, default.clone(), "must not have unknown fields"));
        }
        content::default(&compiled, &mut pruned);
        errors.extend(check::check(&compiled, &pruned, None, &path));
    }
    below(schema, path, &mut |schema, path| validate_defaults(errors, schema, path));
}

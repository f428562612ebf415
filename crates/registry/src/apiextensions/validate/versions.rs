//! `spec.versions`. Upstream: `validateCustomResourceDefinitionVersion`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1035_label;
use serde_json::Value;

use super::super::json_path::JsonPath;
use super::super::schema::{Schema, Type};
use super::{openapi, structural};

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
/// Upstream: `MaxSelectableFields`.
const MAX_SELECTABLE_FIELDS: usize = 8;

pub(super) fn validate(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let versions = object::list_at(spec, "/versions");
    let path = path.child("versions");
    for (index, version) in versions.iter().enumerate() {
        validate_one(errors, version, &path.index(index));
    }
    let names: BTreeSet<&str> = versions.iter().filter_map(|version| object::str_at(version, "/name")).collect();
    let all = || spec.get("versions").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    if names.len() < versions.len() {
        errors.push(field::invalid(&path, all(), "must contain unique version names"));
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        errors.push(field::invalid(&path, all(), "must have exactly one version marked as storage version"));
    }
}

fn validate_one(errors: &mut ErrorList, version: &Value, path: &Path) {
    let name = object::str_at(version, "/name").unwrap_or_default();
    let wrong = dns1035_label(name);
    if !wrong.is_empty() {
        errors.push(field::invalid(&path.child("name"), name, wrong.join(",")));
    }
    validate_deprecation(errors, version, path);
    let schema_path = path.child("schema").child("openAPIV3Schema");
    match version.pointer("/schema/openAPIV3Schema").filter(|schema| schema.is_object()) {
        None => errors.push(field::required(&schema_path, "schemas are required")),
        Some(schema) => {
            let status = version.pointer("/subresources/status").is_some();
            openapi::validate_root(errors, schema, status, &schema_path);
            openapi::validate(errors, schema, true, &schema_path);
            structural::validate(errors, schema, &schema_path);
            if errors.is_empty() {
                openapi::validate_defaults(errors, schema, &schema_path);
            }
            validate_selectable(errors, version, &Schema::compile(schema), &path.child("selectableFields"));
        }
    }
    for (index, column) in object::list_at(version, "/additionalPrinterColumns").iter().enumerate() {
        validate_column(errors, column, &path.child("additionalPrinterColumns").index(index));
    }
    if let Some(scale) = version.pointer("/subresources/scale") {
        validate_scale(errors, scale, &path.child("subresources").child("scale"));
    }
}

fn validate_deprecation(errors: &mut ErrorList, version: &Value, path: &Path) {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else { return };
    let path = path.child("deprecationWarning");
    if version["deprecated"] != true {
        errors.push(field::invalid(&path, warning, "can only be set for deprecated versions"));
    }
    if warning.is_empty() {
        errors.push(field::invalid(&path, warning, "must not be empty"));
    } else if warning.len() > 256 {
        errors.push(field::invalid(&path, warning, "must be <= 256 characters long"));
    } else if warning.trim().is_empty() {
        errors.push(field::invalid(&path, warning, "must not only contain whitespace"));
    }
    if let Some(index) = warning.find(char::is_control) {
        let why =
            format!("must only contain printable UTF-8 characters; non-printable character found at index {index}");
        errors.push(field::invalid(&path, warning, why));
    }
}

fn validate_column(errors: &mut ErrorList, column: &Value, path: &Path) {
    let text = |name: &str| object::str_at(column, &format!("/{name}")).unwrap_or_default();
    if text("name").is_empty() {
        errors.push(field::required(&path.child("name"), ""));
    }
    let types = format!("must be one of {}", COLUMN_TYPES.join(","));
    match text("type") {
        "" => errors.push(field::required(&path.child("type"), types)),
        known if COLUMN_TYPES.contains(&known) => (),
        other => errors.push(field::invalid(&path.child("type"), other, types)),
    }
    let format = text("format");
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        errors.push(field::invalid(
            &path.child("format"),
            format,
            format!("must be one of {}", COLUMN_FORMATS.join(",")),
        ));
    }
    simple_path(errors, text("jsonPath"), "", &path.child("jsonPath"));
}

fn validate_scale(errors: &mut ErrorList, scale: &Value, path: &Path) {
    let text = |name: &str| object::str_at(scale, &format!("/{name}")).unwrap_or_default();
    simple_path(errors, text("specReplicasPath"), "spec", &path.child("specReplicasPath"));
    simple_path(errors, text("statusReplicasPath"), "status", &path.child("statusReplicasPath"));
    let (selector, path) = (text("labelSelectorPath"), path.child("labelSelectorPath"));
    if selector.is_empty() {
        return;
    }
    let before = errors.len();
    simple_path(errors, selector, "", &path);
    if errors.len() == before && !selector.starts_with(".status.") && !selector.starts_with(".spec.") {
        errors.push(field::invalid(&path, selector, "should be a json path under either .spec or .status"));
    }
}

/// A path that begins with a dot, and lies below `root` if that is named.
fn simple_path(errors: &mut ErrorList, text: &str, root: &str, path: &Path) {
    if text.is_empty() {
        return errors.push(field::required(path, ""));
    }
    if !text.starts_with('.') {
        return errors.push(field::invalid(path, text, "must be a simple json path starting with ."));
    }
    if let Err(why) = JsonPath::parse(text) {
        return errors.push(field::invalid(path, text, format!("invalid json path: {why}")));
    }
    if !root.is_empty() && !text.starts_with(&format!(".{root}.")) {
        errors.push(field::invalid(path, text, format!("should be a json path under .{root}")));
    }
}

/// Upstream: `ValidateCustomResourceSelectableFields`.
fn validate_selectable(errors: &mut ErrorList, version: &Value, schema: &Schema, path: &Path) {
    let fields = object::list_at(version, "/selectableFields");
    if fields.len() > MAX_SELECTABLE_FIELDS {
        errors.push(field::too_many(path, fields.len(), MAX_SELECTABLE_FIELDS));
    }
    let mut seen = BTreeSet::new();
    for (index, selectable) in fields.iter().enumerate() {
        let path = path.index(index).child("jsonPath");
        let Some(text) = object::str_at(selectable, "/jsonPath") else {
            errors.push(field::required(&path, ""));
            continue;
        };
        let names = JsonPath::parse(text).ok().and_then(|path| path.names()).filter(|_| text.starts_with('.'));
        let Some(names) = names else {
            errors.push(field::invalid(&path, text, "is an invalid path: must be a simple json path of field names"));
            continue;
        };
        if names.first().is_some_and(|first| first == "metadata") {
            errors.push(field::invalid(&path, text, "must not point to fields in metadata"));
        } else {
            let found = names.iter().try_fold(schema, |schema, name| schema.properties.get(name));
            match found.map(|schema| schema.type_) {
                None => errors.push(field::invalid(&path, text, "is an invalid path: does not refer to a valid field")),
                Some(Some(Type::String | Type::Boolean | Type::Integer)) => (),
                Some(_) => errors.push(field::invalid(
                    &path,
                    text,
                    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
                )),
            }
        }
        if !seen.insert(text) {
            errors.push(field::duplicate(&path, text));
        }
    }
}

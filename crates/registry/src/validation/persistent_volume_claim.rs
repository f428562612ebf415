//! Specs of claims, their own and those of templates. Upstream: `ValidatePersistentVolumeClaimSpec`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{dns1123_label, dns1123_subdomain};
use serde_json::{Value, json};

use super::persistent_volume::{validate_access_modes, validate_positive};
use super::{invalid_all, labels, one_of};

/// The spec of a claim.
pub(crate) fn validate_spec(errors: &mut ErrorList, spec: &Value, path: &Path) {
    labels::validate_selector(errors, spec.get("selector"), &path.child("selector"));
    validate_access_modes(errors, spec, "at least 1 access mode is required", path);
    let path_of_storage = path.child("resources").key("storage");
    match spec.pointer("/resources/requests/storage") {
        None => errors.push(field::required(&path_of_storage, "")),
        Some(amount) => validate_positive(errors, amount, &path_of_storage),
    }
    for name in ["storageClassName", "volumeAttributesClassName"] {
        if let Some(class) = object::str_at(spec, &format!("/{name}")) {
            invalid_all(errors, &path.child(name), class, dns1123_subdomain(class));
        }
    }
    one_of(errors, spec, "/volumeMode", &path.child("volumeMode"), &["Block", "Filesystem"]);
    validate_data_sources(errors, spec, path);
}

/// A claim to be made for a pod: labels, annotations and a spec. Upstream: `ValidatePersistentVolumeClaimTemplate`.
pub(crate) fn validate_template(errors: &mut ErrorList, template: &Value, path: &Path) {
    let metadata = path.child("metadata");
    labels::validate_annotations(errors, object::annotations(template), &metadata.child("annotations"));
    labels::validate(errors, object::labels(template), &metadata.child("labels"));
    for (name, value) in template.get("metadata").and_then(Value::as_object).into_iter().flatten() {
        if !matches!(name.as_str(), "labels" | "annotations") && !value.is_null() {
            errors.push(field::forbidden(&metadata.child(name), "cannot be set for an ephemeral volume"));
        }
    }
    validate_spec(errors, template.get("spec").unwrap_or(&Value::Null), &path.child("spec"));
}

fn validate_data_sources(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let given = |name: &str| spec.get(name).filter(|source| source.is_object());
    let (old, new) = (given("dataSource"), given("dataSourceRef"));
    for (name, source) in [("dataSource", old), ("dataSourceRef", new)] {
        if let Some(source) = source {
            validate_data_source(errors, source, &path.child(name));
        }
    }
    let (Some(old), Some(new)) = (old, new) else { return };
    if object::str_at(new, "/namespace").is_some() {
        let why = "may not be specified when dataSourceRef.namespace is specified";
        errors.push(field::invalid(path, json!({}), why));
    } else if ["apiGroup", "kind", "name"].iter().any(|name| text(old, name) != text(new, name)) {
        errors.push(field::invalid(path, json!({}), "must match dataSourceRef"));
    }
}

fn text<'a>(source: &'a Value, name: &str) -> &'a str {
    source.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn validate_data_source(errors: &mut ErrorList, source: &Value, path: &Path) {
    for member in ["name", "kind"] {
        if text(source, member).is_empty() {
            errors.push(field::required(&path.child(member), ""));
        }
    }
    let (group, kind) = (text(source, "apiGroup"), text(source, "kind"));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.push(field::invalid(path, kind, why));
    }
    if !group.is_empty() {
        invalid_all(errors, &path.child("apiGroup"), group, dns1123_subdomain(group));
    }
    if let Some(namespace) = object::str_at(source, "/namespace") {
        invalid_all(errors, &path.child("namespace"), namespace, dns1123_label(namespace));
    }
}

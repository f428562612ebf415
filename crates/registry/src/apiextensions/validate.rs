//! What a definition may be. Upstream: `apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go`.

mod names;
mod openapi;
mod structural;
mod versions;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{dns1035_label, dns1123_subdomain};
use serde_json::Value;

use super::conversion::REVIEW_VERSIONS;
use super::rules::costs;
use super::status::is_true;
use crate::admissionregistration::address;
use crate::validation::{immutable, invalid_all};

/// Says who approved an API of a protected group.
pub(super) const APPROVED: &str = "api-approved.kubernetes.io";

/// Whether a group is the project's own. Upstream: `IsProtectedCommunityGroup`.
pub(super) fn is_protected(group: &str) -> bool {
    group == "k8s.io" || group == "kubernetes.io" || group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io")
}

/// A new definition.
pub(super) fn definition(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let text = |pointer: &str| object::str_at(object, pointer).unwrap_or_default();
    let wanted = format!("{}.{}", text("/spec/names/plural"), text("/spec/group"));
    let name = object::name(object);
    if name != wanted {
        let path = Path::new("metadata").child("name");
        errors.push(field::invalid(&path, name, r#"must be spec.names.plural+"."+spec.group"#));
    }
    validate_approval(&mut errors, object);
    validate_spec(&mut errors, object.get("spec").unwrap_or(&Value::Null), &Path::new("spec"));
    if errors.is_empty() {
        errors.extend(costs::check(object, None));
    }
    errors.extend(status(object));
    errors
}

/// A change of a definition.
pub(super) fn update(object: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec");
    validate_spec(&mut errors, object.get("spec").unwrap_or(&Value::Null), &path);
    if errors.is_empty() {
        errors.extend(costs::check(object, Some(old)));
    }
    let names = path.child("names");
    if is_true(old, "Established") {
        immutable(&mut errors, object, old, "/spec/scope", &path.child("scope"));
        immutable(&mut errors, object, old, "/spec/names/kind", &names.child("kind"));
    }
    immutable(&mut errors, object, old, "/spec/group", &path.child("group"));
    immutable(&mut errors, object, old, "/spec/names/plural", &names.child("plural"));
    errors.extend(status(object));
    errors
}

/// The status, written by itself or with the rest.
pub(super) fn status(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("status");
    if let Some(accepted) = object.pointer("/status/acceptedNames") {
        names::validate(&mut errors, accepted, &path.child("acceptedNames"));
    }
    let versions = object::list_at(object, "/spec/versions");
    for (index, stored) in object::list_at(object, "/status/storedVersions").iter().enumerate() {
        if !versions.iter().any(|version| version.get("name") == Some(stored)) {
            let path = path.child("storedVersions").index(index);
            errors.push(field::invalid(&path, stored.clone(), "missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions".replace("v1", stored.as_str().unwrap_or_default())));
        }
    }
    errors
}

/// Upstream: `validateAPIApproval`.
fn validate_approval(errors: &mut ErrorList, object: &Value) {
    let group = object::str_at(object, "/spec/group").unwrap_or_default();
    if !is_protected(group) {
        return;
    }
    let path = Path::new("metadata").child("annotations").key(APPROVED);
    match object::annotation(object, APPROVED).unwrap_or_default() {
        "" => errors.push(field::required(
            &path,
            "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111",
        )),
        value if value.starts_with("unapproved") || value.contains("://") => (),
        value => errors.push(field::invalid(
            &path,
            value,
            "protected groups must have approval annotation \"api-approved.kubernetes.io\" with either a URL or a reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111",
        )),
    }
}

fn validate_spec(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let text = |pointer: &str| object::str_at(spec, pointer).unwrap_or_default();
    validate_group(errors, text("/group"), &path.child("group"));
    match text("/scope") {
        "" => errors.push(field::required(&path.child("scope"), "")),
        "Cluster" | "Namespaced" => (),
        other => errors.push(field::not_supported(&path.child("scope"), other, &["Cluster", "Namespaced"])),
    }
    versions::validate(errors, spec, path);
    let preserves = object::bool_at(spec, "/preserveUnknownFields") == Some(true);
    if preserves {
        let why =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(field::invalid(&path.child("preserveUnknownFields"), true, why));
    }
    let names_path = path.child("names");
    for name in ["plural", "singular", "kind", "listKind"] {
        if text(&format!("/names/{name}")).is_empty() {
            errors.push(field::required(&names_path.child(name), ""));
        }
    }
    names::validate(errors, spec.get("names").unwrap_or(&Value::Null), &names_path);
    validate_conversion(errors, spec.get("conversion").unwrap_or(&Value::Null), &path.child("conversion"));
}

fn validate_group(errors: &mut ErrorList, group: &str, path: &Path) {
    let wrong = dns1123_subdomain(group);
    if group.is_empty() {
        errors.push(field::required(path, ""));
    } else if !wrong.is_empty() {
        errors.push(field::invalid(path, group, wrong.join(",")));
    } else if !group.contains('.') {
        errors.push(field::invalid(path, group, "should be a domain with at least one dot"));
    }
}

/// Paths are those of upstream's internal form, as its messages have them.
fn validate_conversion(errors: &mut ErrorList, conversion: &Value, path: &Path) {
    let webhook = conversion.get("webhook").filter(|webhook| webhook.is_object());
    let strategy = object::str_at(conversion, "/strategy").unwrap_or_default();
    match strategy {
        "" => errors.push(field::required(&path.child("strategy"), "")),
        "None" | "Webhook" => (),
        other => errors.push(field::not_supported(&path.child("strategy"), other, &["None", "Webhook"])),
    }
    let config = webhook.filter(|webhook| webhook.get("clientConfig").is_some_and(Value::is_object));
    let (config_path, versions_path) = (path.child("webhookClientConfig"), path.child("conversionReviewVersions"));
    if strategy != "Webhook" {
        let why = "should not be set when strategy is not set to Webhook";
        if config.is_some() {
            errors.push(field::forbidden(&config_path, why));
        }
        if webhook.is_some_and(|webhook| !object::list_at(webhook, "/conversionReviewVersions").is_empty()) {
            errors.push(field::forbidden(&versions_path, why));
        }
        return;
    }
    match config {
        Some(webhook) => address::validate(errors, webhook, &config_path),
        None => errors.push(field::required(&config_path, "required when strategy is set to Webhook")),
    }
    let versions = webhook.map(|webhook| object::list_at(webhook, "/conversionReviewVersions")).unwrap_or_default();
    validate_review_versions(errors, versions, &versions_path);
}

fn validate_review_versions(errors: &mut ErrorList, versions: &[Value], path: &Path) {
    let versions: Vec<&str> = versions.iter().filter_map(Value::as_str).collect();
    if versions.is_empty() {
        errors.push(field::required(path, ""));
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        if versions[..index].contains(version) {
            errors.push(field::invalid(&path.index(index), *version, "duplicate version"));
            continue;
        }
        invalid_all(errors, &path.index(index), version, dns1035_label(version));
    }
    if !versions.iter().any(|version| REVIEW_VERSIONS.contains(version)) {
        let why = format!("must include at least one of {}", REVIEW_VERSIONS.join(", "));
        errors.push(field::invalid(path, versions, why));
    }
}

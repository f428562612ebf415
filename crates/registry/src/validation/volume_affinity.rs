//! Where a volume can be reached: node selectors. Upstream: `ValidateNodeSelector`, `validateVolumeNodeAffinity`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{dns1123_subdomain, label_value, qualified_name};
use serde_json::Value;

use super::invalid_all;

/// A `VolumeNodeAffinity`.
pub(crate) fn validate(errors: &mut ErrorList, affinity: &Value, path: &Path) {
    match affinity.get("required").filter(|required| required.is_object()) {
        Some(required) => validate_selector(errors, required, &path.child("required")),
        None => errors.push(field::required(&path.child("required"), "must specify required node constraints")),
    }
}

/// A `NodeSelector`.
pub(crate) fn validate_selector(errors: &mut ErrorList, selector: &Value, path: &Path) {
    let path = path.child("nodeSelectorTerms");
    let terms = object::list_at(selector, "/nodeSelectorTerms");
    if terms.is_empty() {
        errors.push(field::required(&path, "must have at least one node selector term"));
    }
    for (index, term) in terms.iter().enumerate() {
        let path = path.index(index);
        for (index, requirement) in object::list_at(term, "/matchExpressions").iter().enumerate() {
            validate_expression(errors, requirement, &path.child("matchExpressions").index(index));
        }
        for (index, requirement) in object::list_at(term, "/matchFields").iter().enumerate() {
            validate_field(errors, requirement, &path.child("matchFields").index(index));
        }
    }
}

fn values(requirement: &Value) -> impl Iterator<Item = &str> {
    object::list_at(requirement, "/values").iter().filter_map(Value::as_str)
}

fn validate_expression(errors: &mut ErrorList, requirement: &Value, path: &Path) {
    let count = values(requirement).count();
    match object::str_at(requirement, "/operator").unwrap_or_default() {
        "In" | "NotIn" if count == 0 => {
            let why = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(field::required(&path.child("values"), why));
        }
        "Exists" | "DoesNotExist" if count > 0 => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(field::forbidden(&path.child("values"), why));
        }
        "Gt" | "Lt" if count != 1 => {
            let why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
            errors.push(field::required(&path.child("values"), why));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => (),
        other => errors.push(field::invalid(&path.child("operator"), other, "not a valid selector operator")),
    }
    let key = object::str_at(requirement, "/key").unwrap_or_default();
    invalid_all(errors, &path.child("key"), key, qualified_name(key));
    for (index, value) in values(requirement).enumerate() {
        invalid_all(errors, &path.child("values").index(index), value, label_value(value));
    }
}

fn validate_field(errors: &mut ErrorList, requirement: &Value, path: &Path) {
    match object::str_at(requirement, "/operator").unwrap_or_default() {
        "In" | "NotIn" if values(requirement).count() != 1 => {
            let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.push(field::required(&path.child("values"), why));
        }
        "In" | "NotIn" => (),
        other => errors.push(field::invalid(&path.child("operator"), other, "not a valid selector operator")),
    }
    let key = object::str_at(requirement, "/key").unwrap_or_default();
    if key != "metadata.name" {
        errors.push(field::invalid(&path.child("key"), key, "not a valid field selector key"));
        return;
    }
    for (index, name) in values(requirement).enumerate() {
        invalid_all(errors, &path.child("values").index(index), name, dns1123_subdomain(name));
    }
}

/// What to say of a label of nodes that has a newer name, or none. Upstream: `GetLabelDeprecatedMessage`.
pub(crate) fn deprecated_label(key: &str, path: &Path) -> Option<String> {
    let (since, instead) = match key {
        "beta.kubernetes.io/arch" => ("v1.14", "kubernetes.io/arch"),
        "beta.kubernetes.io/os" => ("v1.14", "kubernetes.io/os"),
        "failure-domain.beta.kubernetes.io/region" => ("v1.17", "topology.kubernetes.io/region"),
        "failure-domain.beta.kubernetes.io/zone" => ("v1.17", "topology.kubernetes.io/zone"),
        "beta.kubernetes.io/instance-type" => ("v1.17", "node.kubernetes.io/instance-type"),
        _ => return None,
    };
    Some(format!("{path}: {key} is deprecated since {since}; use {instead:?} instead"))
}

/// [`deprecated_label`] for every key of a node selector.
pub(crate) fn warnings(selector: &Value, path: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    for (at, term) in object::list_at(selector, "/nodeSelectorTerms").iter().enumerate() {
        for (index, requirement) in object::list_at(term, "/matchExpressions").iter().enumerate() {
            let path = path.child("nodeSelectorTerms").index(at).child("matchExpressions").index(index).child("key");
            warnings.extend(deprecated_label(object::str_at(requirement, "/key").unwrap_or_default(), &path));
        }
    }
    warnings
}

//! Which operations on which resources. Upstream: `validateRuleWithOperations`, `validateResources`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use crate::validation::{NameRule, invalid_all, one_of};

const ALL: &str = "*";
const OPERATIONS: [&str; 5] = [ALL, "CONNECT", "CREATE", "DELETE", "UPDATE"];

/// A `RuleWithOperations`.
pub(super) fn validate(errors: &mut ErrorList, rule: &Value, path: &Path) {
    let operations = texts(rule, "operations");
    require(errors, &operations, &path.child("operations"));
    validate_alone(errors, &operations, "operations", &path.child("operations"));
    for (index, operation) in operations.iter().enumerate().filter(|(_, operation)| !OPERATIONS.contains(operation)) {
        errors.push(field::not_supported(&path.child("operations").index(index), *operation, &OPERATIONS));
    }
    let groups = texts(rule, "apiGroups");
    require(errors, &groups, &path.child("apiGroups"));
    validate_alone(errors, &groups, "API groups", &path.child("apiGroups"));
    let (versions, path_of_versions) = (texts(rule, "apiVersions"), path.child("apiVersions"));
    require(errors, &versions, &path_of_versions);
    validate_alone(errors, &versions, "API versions", &path_of_versions);
    for (index, _) in versions.iter().enumerate().filter(|(_, version)| version.is_empty()) {
        errors.push(field::required(&path_of_versions.index(index), ""));
    }
    validate_resources(errors, &texts(rule, "resources"), &path.child("resources"));
    one_of(errors, rule, "/scope", &path.child("scope"), &[ALL, "Cluster", "Namespaced"]);
}

/// A `NamedRuleWithOperations`.
pub(super) fn validate_named(errors: &mut ErrorList, rule: &Value, path: &Path) {
    let mut names = BTreeSet::new();
    for (index, name) in texts(rule, "resourceNames").into_iter().enumerate() {
        let path = path.child("resourceNames").index(index);
        invalid_all(errors, &path, name, NameRule::PathSegment.check(name));
        if !names.insert(name) {
            errors.push(field::duplicate(&path, name));
        }
    }
    validate(errors, rule, path);
}

fn texts<'a>(rule: &'a Value, member: &str) -> Vec<&'a str> {
    object::list_at(rule, &format!("/{member}")).iter().filter_map(Value::as_str).collect()
}

fn require(errors: &mut ErrorList, given: &[&str], path: &Path) {
    if given.is_empty() {
        errors.push(field::required(path, ""));
    }
}

fn validate_alone(errors: &mut ErrorList, given: &[&str], what: &str, path: &Path) {
    if given.len() > 1 && given.contains(&ALL) {
        let why = format!("if '*' is present, must not specify other {what}");
        errors.push(field::invalid(path, given.to_vec(), why));
    }
}

/// `pods`, `pods/log`, `pods/*`, `*/status`, `*`, `*/*`: none said twice.
fn validate_resources(errors: &mut ErrorList, resources: &[&str], path: &Path) {
    require(errors, resources, path);
    let (mut whole, mut everywhere) = (BTreeSet::new(), BTreeSet::new());
    let mut last_is_plain = false;
    for (index, given) in resources.iter().enumerate() {
        let path = path.index(index);
        if given.is_empty() {
            errors.push(field::required(&path, ""));
            continue;
        }
        let Some((resource, subresource)) = given.split_once('/') else {
            last_is_plain = *given != ALL;
            continue;
        };
        if whole.contains(resource) {
            let why = format!("if '{resource}/*' is present, must not specify {given}");
            errors.push(field::invalid(&path, *given, why));
        }
        if everywhere.contains(subresource) {
            let why = format!("if '*/{subresource}' is present, must not specify {given}");
            errors.push(field::invalid(&path, *given, why));
        }
        if subresource == ALL {
            whole.insert(resource);
        }
        if resource == ALL {
            everywhere.insert(subresource);
        }
    }
    if resources.len() > 1 && resources.contains(&"*/*") {
        let why = "if '*/*' is present, must not specify other resources";
        errors.push(field::invalid(path, resources.to_vec(), why));
    }
    if resources.contains(&ALL) && last_is_plain {
        let why = "if '*' is present, must not specify other resources without subresources";
        errors.push(field::invalid(path, resources.to_vec(), why));
    }
}

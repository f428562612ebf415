//! What a policy is about. Upstream: `validateMatchResources`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use super::{MATCH_POLICIES, rules};
use crate::validation::{labels, one_of};

/// A `MatchResources`, if there is one.
pub(super) fn validate(errors: &mut ErrorList, resources: Option<&Value>, path: &Path) {
    let Some(resources) = resources.filter(|resources| resources.is_object()) else { return };
    let path_of_policy = path.child("matchPolicy");
    match object::str_at(resources, "/matchPolicy") {
        None => errors.push(field::required(&path_of_policy, "")),
        Some(_) => one_of(errors, resources, "/matchPolicy", &path_of_policy, &MATCH_POLICIES),
    }
    for name in ["namespaceSelector", "objectSelector"] {
        match resources.get(name).filter(|selector| selector.is_object()) {
            None => errors.push(field::required(&path.child(name), "")),
            Some(selector) => labels::validate_selector(errors, Some(selector), &path.child(name)),
        }
    }
    for name in ["resourceRules", "excludeResourceRules"] {
        for (index, rule) in object::list_at(resources, &format!("/{name}")).iter().enumerate() {
            rules::validate_named(errors, rule, &path.child(name).index(index));
        }
    }
}

/// The constraints of a policy: they say of at least one resource what it is about.
pub(super) fn validate_constraints(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let path = path.child("matchConstraints");
    let Some(constraints) = spec.get("matchConstraints").filter(|constraints| constraints.is_object()) else {
        errors.push(field::required(&path, ""));
        return;
    };
    validate(errors, Some(constraints), &path);
    if object::list_at(constraints, "/resourceRules").is_empty() {
        errors.push(field::required(&path.child("resourceRules"), ""));
    }
}

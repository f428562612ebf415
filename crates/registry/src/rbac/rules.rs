//! What roles may say. Upstream: `ValidatePolicyRule`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

pub(super) fn validate(object: &Value, namespaced: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    for (index, rule) in object::list_at(object, "/rules").iter().enumerate() {
        validate_rule(&mut errors, rule, namespaced, &Path::new("rules").index(index));
    }
    errors
}

fn validate_rule(errors: &mut ErrorList, rule: &Value, namespaced: bool, path: &Path) {
    let has = |name: &str| !object::list_at(rule, &format!("/{name}")).is_empty();
    if !has("verbs") {
        errors.push(field::required(&path.child("verbs"), "verbs must contain at least one value"));
    }
    if has("nonResourceURLs") {
        if namespaced {
            let shown = rule["nonResourceURLs"].clone();
            let why = "namespaced rules cannot apply to non-resource URLs";
            errors.push(field::invalid(&path.child("nonResourceURLs"), shown, why));
        }
        if has("apiGroups") || has("resources") || has("resourceNames") {
            let shown = rule["nonResourceURLs"].clone();
            let why = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(field::invalid(&path.child("nonResourceURLs"), shown, why));
        }
        return;
    }
    if !has("apiGroups") {
        errors.push(field::required(&path.child("apiGroups"), "resource rules must supply at least one api group"));
    }
    if !has("resources") {
        errors.push(field::required(&path.child("resources"), "resource rules must supply at least one resource"));
    }
}

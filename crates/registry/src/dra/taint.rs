//! Taints of devices, tolerations of requests, and the conditions under which a device is bound.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::validation::{label_value, qualified_name};
use serde_json::Value;

use super::lists::{each, list, text};
use crate::validation::invalid_all;

const EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "None"];
const MOST_CONDITIONS: usize = 4;

/// Upstream: `validateDeviceTaint`.
pub(super) fn validate(errors: &mut ErrorList, taint: &Value, path: &Path) {
    let (key, value) = (text(taint, "key"), text(taint, "value"));
    invalid_all(errors, &path.child("key"), key, qualified_name(key));
    invalid_all(errors, &path.child("value"), value, label_value(value));
    match text(taint, "effect") {
        "" => errors.push(field::required(&path.child("effect"), "")),
        effect => validate_effect(errors, effect, path),
    }
}

fn validate_effect(errors: &mut ErrorList, effect: &str, path: &Path) {
    if !EFFECTS.contains(&effect) {
        errors.push(field::not_supported(&path.child("effect"), effect, &EFFECTS));
    }
}

/// Upstream: `validateDeviceToleration`.
pub(super) fn validate_toleration(errors: &mut ErrorList, toleration: &Value, path: &Path) {
    let (key, value) = (text(toleration, "key"), text(toleration, "value"));
    if !key.is_empty() {
        invalid_all(errors, &path.child("key"), key, qualified_name(key));
    }
    match text(toleration, "operator") {
        "Exists" if !value.is_empty() => {
            errors.push(field::invalid(&path.child("value"), value, "must be empty for operator `Exists`"));
        }
        "Exists" => (),
        "Equal" => invalid_all(errors, &path.child("value"), value, label_value(value)),
        "" => errors.push(field::required(&path.child("operator"), "")),
        other => errors.push(field::not_supported(&path.child("operator"), other, &["Equal", "Exists"])),
    }
    if !text(toleration, "effect").is_empty() {
        validate_effect(errors, text(toleration, "effect"), path);
    }
}

/// Upstream: `validateDeviceBindingParameters`.
pub(super) fn validate_binding(errors: &mut ErrorList, device: &Value, path: &Path) {
    let (good, bad) = (list(device, "bindingConditions"), list(device, "bindingFailureConditions"));
    let (path_of_good, path_of_bad) = (path.child("bindingConditions"), path.child("bindingFailureConditions"));
    for (conditions, path) in [(good, &path_of_good), (bad, &path_of_bad)] {
        each(errors, conditions, MOST_CONDITIONS, path, &mut |errors, condition, path| {
            let name = condition.as_str().unwrap_or_default();
            invalid_all(errors, path, name, qualified_name(name));
        });
        let mut seen = BTreeSet::new();
        for (index, condition) in conditions.iter().enumerate() {
            if !seen.insert(condition.as_str()) {
                errors.push(field::duplicate(&path.index(index), condition.clone()));
            }
        }
    }
    for (index, condition) in bad.iter().enumerate().filter(|(_, condition)| good.contains(condition)) {
        let why = "bindingFailureConditions must not overlap with bindingConditions";
        errors.push(field::invalid(&path_of_bad.index(index), condition.clone(), why));
    }
    if good.is_empty() && !bad.is_empty() {
        let why = "bindingConditions are required to use bindingFailureConditions";
        errors.push(field::invalid(&path_of_good, good.to_vec(), why));
    }
    if bad.is_empty() && !good.is_empty() {
        let why = "bindingFailureConditions are required to use bindingConditions";
        errors.push(field::invalid(&path_of_bad, bad.to_vec(), why));
    }
}

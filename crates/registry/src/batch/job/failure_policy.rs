//! `spec.podFailurePolicy`: what the failure of a pod means. Upstream: `validatePodFailurePolicy`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::qualified_name;
use serde_json::Value;

use crate::validation::{invalid_all, invalid_whole};

const MAX_RULES: usize = 20;
const MAX_EXIT_CODES: usize = 255;
const MAX_PATTERNS: usize = 20;
const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];

pub(super) fn validate(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let rules = object::list_at(spec, "/podFailurePolicy/rules");
    let path = path.child("rules");
    if rules.len() > MAX_RULES {
        errors.push(field::too_many(&path, rules.len(), MAX_RULES));
    }
    for (index, rule) in rules.iter().enumerate() {
        validate_rule(errors, spec, rule, &path.index(index));
    }
}

fn validate_rule(errors: &mut ErrorList, spec: &Value, rule: &Value, path: &Path) {
    let per_index = spec.get("backoffLimitPerIndex").is_some_and(Value::is_number);
    match object::str_at(rule, "/action") {
        Some(action @ "FailIndex") if !per_index => {
            errors.push(field::invalid(&path.child("action"), action, "requires the backoffLimitPerIndex to be set"));
        }
        action => require(errors, action, &ACTIONS, &path.child("action")),
    }
    let codes = rule.get("onExitCodes").filter(|codes| codes.is_object());
    let patterns = object::list_at(rule, "/onPodConditions");
    if let Some(codes) = codes {
        validate_codes(errors, spec, codes, &path.child("onExitCodes"));
    }
    validate_patterns(errors, patterns, &path.child("onPodConditions"));
    match (codes.is_some(), !patterns.is_empty()) {
        (true, true) => {
            errors.push(invalid_whole(path, "specifying both OnExitCodes and OnPodConditions is not supported"));
        }
        (false, false) => {
            errors.push(invalid_whole(path, "specifying one of OnExitCodes and OnPodConditions is required"));
        }
        _ => (),
    }
}

fn validate_codes(errors: &mut ErrorList, spec: &Value, codes: &Value, path: &Path) {
    let operator = object::str_at(codes, "/operator");
    require(errors, operator, &OPERATORS, &path.child("operator"));
    if let Some(name) = codes.get("containerName").and_then(Value::as_str).filter(|name| !has_container(spec, name)) {
        let why = "must be one of the container or initContainer names in the pod template";
        errors.push(field::invalid(&path.child("containerName"), name, why));
    }
    let values: Vec<i64> = object::list_at(codes, "/values").iter().filter_map(Value::as_i64).collect();
    let path = path.child("values");
    if values.is_empty() {
        errors.push(field::invalid(&path, Value::Null, "at least one value is required"));
    } else if values.len() > MAX_EXIT_CODES {
        errors.push(field::too_many(&path, values.len(), MAX_EXIT_CODES));
    }
    let mut seen = BTreeSet::new();
    for (index, value) in values.iter().enumerate() {
        let path = path.index(index);
        if operator == Some("In") && *value == 0 {
            errors.push(field::invalid(&path, 0, "must not be 0 for the In operator"));
        }
        if !seen.insert(value) {
            errors.push(field::duplicate(&path, *value));
        }
    }
    if !values.is_sorted() {
        errors.push(field::invalid(&path, values, "must be ordered"));
    }
}

fn has_container(spec: &Value, name: &str) -> bool {
    let lists = ["/template/spec/containers", "/template/spec/initContainers"];
    lists
        .iter()
        .flat_map(|list| object::list_at(spec, list))
        .any(|container| object::str_at(container, "/name") == Some(name))
}

fn validate_patterns(errors: &mut ErrorList, patterns: &[Value], path: &Path) {
    if patterns.len() > MAX_PATTERNS {
        errors.push(field::too_many(path, patterns.len(), MAX_PATTERNS));
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let path = path.index(index);
        let type_ = object::str_at(pattern, "/type").unwrap_or_default();
        invalid_all(errors, &path.child("type"), type_, qualified_name(type_));
        require(errors, object::str_at(pattern, "/status"), &STATUSES, &path.child("status"));
    }
}

/// A text that has to be there and one of a few.
fn require(errors: &mut ErrorList, value: Option<&str>, allowed: &[&str], path: &Path) {
    match value {
        None => {
            let quoted: Vec<String> = allowed.iter().map(|text| format!("{text:?}")).collect();
            errors.push(field::required(path, format!("valid values: [{}]", quoted.join(" "))));
        }
        Some(value) if !allowed.contains(&value) => errors.push(field::not_supported(path, value, allowed)),
        Some(_) => (),
    }
}

//! One webhook, of either configuration. Upstream: `validateMutatingWebhook`, `validateValidatingWebhook`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{dns1035_label, dns1123_subdomain};
use serde_json::Value;

use super::{FAILURE_POLICIES, MATCH_POLICIES, REINVOCATION_POLICIES, expressions, rules};
use crate::validation::{invalid_all, labels, one_of};

pub(crate) mod address;

/// Versions of the question that are asked.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
/// A webhook must not do anything elsewhere, or not in a rehearsal.
const SIDE_EFFECTS: [&str; 2] = ["None", "NoneOnDryRun"];

/// What must hold of new webhooks, and need not of those whose configuration was already otherwise.
struct Demands {
    no_side_effects: bool,
    known_review_version: bool,
    unique_names: bool,
    unchanged_conditions: bool,
}

impl Demands {
    fn on_creation() -> Self {
        Self { no_side_effects: true, known_review_version: true, unique_names: true, unchanged_conditions: false }
    }

    fn on_update(object: &Value, old: &Value) -> Self {
        let before = webhooks(old);
        let harmless = |webhook: &Value| {
            object::str_at(webhook, "/sideEffects").is_some_and(|effect| SIDE_EFFECTS.contains(&effect))
        };
        let known = |webhook: &Value| review_versions(webhook).is_empty() || knows_version(webhook);
        let names: BTreeSet<&str> = before.iter().map(name).collect();
        let conditions = |webhook: &Value| webhook.get("matchConditions").cloned();
        Self {
            no_side_effects: before.iter().all(harmless),
            known_review_version: before.iter().all(known),
            unique_names: names.len() == before.len(),
            unchanged_conditions: webhooks(object).iter().map(conditions).eq(before.iter().map(conditions)),
        }
    }
}

/// All webhooks of a configuration; `old` is its state before an update.
pub(super) fn validate_all(object: &Value, old: Option<&Value>) -> ErrorList {
    let demands = old.map_or_else(Demands::on_creation, |old| Demands::on_update(object, old));
    let (mut errors, mut names) = (ErrorList::new(), BTreeSet::new());
    for (index, webhook) in webhooks(object).iter().enumerate() {
        let path = Path::new("webhooks").index(index);
        validate(&mut errors, webhook, &demands, &path);
        validate_review_versions(&mut errors, webhook, &demands, &path.child("admissionReviewVersions"));
        let name = name(webhook);
        if demands.unique_names && !name.is_empty() && !names.insert(name) {
            errors.push(field::duplicate(&path.child("name"), name));
        }
    }
    errors
}

fn webhooks(object: &Value) -> &[Value] {
    object::list_at(object, "/webhooks")
}

fn name(webhook: &Value) -> &str {
    object::str_at(webhook, "/name").unwrap_or_default()
}

fn validate(errors: &mut ErrorList, webhook: &Value, demands: &Demands, path: &Path) {
    validate_name(errors, name(webhook), &path.child("name"));
    for (index, rule) in object::list_at(webhook, "/rules").iter().enumerate() {
        rules::validate(errors, rule, &path.child("rules").index(index));
    }
    one_of(errors, webhook, "/failurePolicy", &path.child("failurePolicy"), &FAILURE_POLICIES);
    one_of(errors, webhook, "/matchPolicy", &path.child("matchPolicy"), &MATCH_POLICIES);
    validate_side_effects(errors, webhook, demands, &path.child("sideEffects"));
    let timeout = object::i64_at(webhook, "/timeoutSeconds");
    if let Some(seconds) = timeout.filter(|seconds| !(1..=30).contains(seconds)) {
        let why = "the timeout value must be between 1 and 30 seconds";
        errors.push(field::invalid(&path.child("timeoutSeconds"), seconds, why));
    }
    for name in ["namespaceSelector", "objectSelector"] {
        labels::validate_selector(errors, webhook.get(name), &path.child(name));
    }
    let path_of_policy = path.child("reinvocationPolicy");
    one_of(errors, webhook, "/reinvocationPolicy", &path_of_policy, &REINVOCATION_POLICIES);
    address::validate(errors, webhook, &path.child("clientConfig"));
    if !demands.unchanged_conditions {
        expressions::validate_conditions(errors, webhook, path);
    }
}

/// Upstream: `IsFullyQualifiedName`.
fn validate_name(errors: &mut ErrorList, name: &str, path: &Path) {
    if name.is_empty() {
        errors.push(field::required(path, ""));
        return;
    }
    let wrong = dns1123_subdomain(name);
    if wrong.is_empty() && name.split('.').count() < 3 {
        errors.push(field::invalid(path, name, "should be a domain with at least three segments separated by dots"));
    }
    invalid_all(errors, path, name, wrong);
}

fn validate_side_effects(errors: &mut ErrorList, webhook: &Value, demands: &Demands, path: &Path) {
    let all = ["None", "NoneOnDryRun", "Some", "Unknown"];
    let allowed: &[&str] = if demands.no_side_effects { &SIDE_EFFECTS } else { &all };
    match object::str_at(webhook, "/sideEffects") {
        None => errors.push(field::required(path, format!("must specify one of {}", allowed.join(", ")))),
        Some(_) => one_of(errors, webhook, "/sideEffects", path, allowed),
    }
}

fn review_versions(webhook: &Value) -> Vec<&str> {
    object::list_at(webhook, "/admissionReviewVersions").iter().filter_map(Value::as_str).collect()
}

fn knows_version(webhook: &Value) -> bool {
    review_versions(webhook).iter().any(|version| REVIEW_VERSIONS.contains(version))
}

fn validate_review_versions(errors: &mut ErrorList, webhook: &Value, demands: &Demands, path: &Path) {
    let (versions, known) = (review_versions(webhook), REVIEW_VERSIONS.join(", "));
    if versions.is_empty() {
        errors.push(field::required(path, format!("must specify one of {known}")));
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, version) in versions.iter().enumerate() {
        if !seen.insert(version) {
            errors.push(field::invalid(&path.index(index), *version, "duplicate version"));
            continue;
        }
        invalid_all(errors, &path.index(index), version, dns1035_label(version));
    }
    if demands.known_review_version && !knows_version(webhook) {
        errors.push(field::invalid(path, versions, format!("must include at least one of {known}")));
    }
}

//! Pod templates and the selectors that have to match them. Upstream: `ValidatePodTemplateSpecForReplicaSet`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::selector::LabelSelector;
use serde_json::Value;

use super::{labels, pod};

/// Labels, annotations and the pod's spec.
pub(crate) fn validate(errors: &mut ErrorList, template: &Value, path: &Path) {
    let metadata = path.child("metadata");
    labels::validate(errors, object::labels(template), &metadata.child("labels"));
    labels::validate_annotations(errors, object::annotations(template), &metadata.child("annotations"));
    pod::validate_spec(errors, template.get("spec").unwrap_or(&Value::Null), &path.child("spec"));
}

/// The selector of a workload: there, not empty, and true of its own template.
pub(crate) fn validate_selector(errors: &mut ErrorList, spec: &Value, what: &str, path: &Path) {
    let selector_path = path.child("selector");
    let Some(selector) = spec.get("selector").filter(|selector| selector.is_object()) else {
        errors.push(field::required(&selector_path, ""));
        // No selector selects nothing, so it does not select the template either.
        mismatch(errors, spec, path);
        return;
    };
    labels::validate_selector(errors, Some(selector), &selector_path);
    if labels::is_empty_selector(selector) {
        let why = format!("empty selector is invalid for {what}");
        errors.push(field::invalid(&selector_path, selector.clone(), why));
        return;
    }
    match_template(errors, spec, selector, path);
}

/// Says so when a selector does not select the pods of the template beside it.
pub(crate) fn match_template(errors: &mut ErrorList, spec: &Value, selector: &Value, path: &Path) {
    let Ok(parsed) = LabelSelector::from_json(selector) else { return };
    if !parsed.matches_map(spec.get("template").and_then(object::labels)) {
        mismatch(errors, spec, path);
    }
}

/// The template is not of the selector's.
pub(crate) fn mismatch(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let labels = spec.get("template").and_then(object::labels);
    let path = path.child("template").child("metadata").child("labels");
    let shown = labels.cloned().map_or(Value::Null, Value::Object);
    errors.push(field::invalid(&path, shown, "`selector` does not match template `labels`"));
}

/// A workload whose pods run for ever takes no other restart policy.
pub(crate) fn require_always(errors: &mut ErrorList, spec: &Value, kind: &str, path: &Path) {
    let policy = object::str_at(spec, "/template/spec/restartPolicy");
    if let Some(policy) = policy.filter(|policy| *policy != "Always") {
        let path = path.child("template").child("spec").child("restartPolicy");
        errors.push(field::not_supported(&path, policy, &["Always"]));
    }
    if object::i64_at(spec, "/template/spec/activeDeadlineSeconds").is_some() {
        let path = path.child("template").child("spec").child("activeDeadlineSeconds");
        errors.push(field::forbidden(&path, format!("activeDeadlineSeconds in {kind} is not Supported")));
    }
}

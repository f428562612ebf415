//! What of a job may change, and what its status may say. Upstream: `ValidateJobSpecUpdate`, `ValidateJobStatusUpdate`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use super::{holds, rules};
use crate::validation::{counts, immutable, invalid_whole};

/// What of the template may change while a job is suspended and has not begun, beside its labels and annotations.
const DIRECTIVES: [&str; 3] = ["nodeSelector", "tolerations", "schedulingGates"];

pub(super) fn validate(errors: &mut ErrorList, object: &Value, old: &Value) {
    let path = Path::new("spec");
    validate_completions(errors, object, old, &path.child("completions"));
    immutable(errors, object, old, "/spec/selector", &path.child("selector"));
    let template = |object: &Value| object.pointer("/spec/template").cloned().unwrap_or(Value::Null);
    let (wanted, before) = (template(object), template(old));
    let relaxed = may_change_template(old);
    let (shown, before) = if relaxed { (fixed(wanted.clone()), fixed(before)) } else { (wanted.clone(), before) };
    if shown != before {
        errors.push(field::immutable(&path.child("template"), wanted));
    }
    for name in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        immutable(errors, object, old, &format!("/spec/{name}"), &path.child(name));
    }
}

/// An indexed job may grow and shrink with its parallelism. Upstream: `validateCompletions`.
fn validate_completions(errors: &mut ErrorList, object: &Value, old: &Value, path: &Path) {
    let number = |pointer| object::i64_at(object, pointer);
    let (completions, parallelism) = (number("/spec/completions"), number("/spec/parallelism"));
    if !rules::is_indexed(object.get("spec").unwrap_or(&Value::Null)) {
        immutable(errors, object, old, "/spec/completions", path);
    } else if completions != object::i64_at(old, "/spec/completions")
        && completions.is_some()
        && completions != parallelism
    {
        let why = "can only be modified in tandem with spec.parallelism";
        errors.push(field::invalid(path, completions, why));
    }
}

/// Scheduling directives may change while the job is suspended and has not begun. Upstream: `validatePodTemplateUpdate`.
fn may_change_template(old: &Value) -> bool {
    object::bool_at(old, "/spec/suspend") == Some(true) && object::str_at(old, "/status/startTime").is_none()
}

/// A template without its scheduling directives.
fn fixed(mut template: Value) -> Value {
    for path in [["metadata", "labels"], ["metadata", "annotations"]] {
        object::remove(&mut template, &path);
    }
    for name in DIRECTIVES {
        object::remove(&mut template, &["spec", name]);
    }
    object::remove(&mut template, &["spec", "affinity", "nodeAffinity"]);
    for path in [&["spec", "affinity"][..], &["metadata"]] {
        if object::get(&template, path).and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
            object::remove(&mut template, path);
        }
    }
    template
}

/// What every writer of a status has to keep to. What upstream asks of foreign controllers only (`managedBy`) is not asked here.
pub(super) fn validate_status(object: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (status, path) = (object.get("status").unwrap_or(&Value::Null), Path::new("status"));
    counts::not_negative(&mut errors, status, &["active", "succeeded", "failed", "ready", "terminating"], &path);
    let conditions = path.child("conditions");
    if holds(object, "Complete") && holds(object, "Failed") {
        errors.push(invalid_whole(&conditions, "cannot set Complete=True and Failed=true conditions"));
    }
    for type_ in ["Failed", "Complete", "FailureTarget"] {
        if holds(old, type_) && !holds(object, type_) {
            errors.push(invalid_whole(&conditions, format!("cannot disable the terminal {type_}=True condition")));
        }
    }
    let failed = |object: &Value| object::i64_at(object, "/status/failed").unwrap_or(0);
    if failed(object) < failed(old) {
        errors.push(field::invalid(&path.child("failed"), failed(object), "cannot decrease the failed counter"));
    }
    let completion = |object: &Value| object::str_at(object, "/status/completionTime").map(str::to_owned);
    if let (Some(now), Some(before)) = (completion(object), completion(old))
        && now != before
    {
        errors.push(field::invalid(&path.child("completionTime"), now, "completionTime cannot be mutated"));
    }
    errors
}

//! What the spec of a job may be, its selector aside. Upstream: `validateJobSpec`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use super::{failure_policy, success_policy};
use crate::validation::{counts, network, one_of, template};

const MAX_MANAGED_BY: usize = 63;
const MAX_PARALLELISM: i64 = 100_000;
const MAX_FAILED_INDEXES: i64 = 100_000;
/// Above so many completions with a limit per index, what is tracked has to be bounded.
const MANY_COMPLETIONS: i64 = 100_000;
const MAX_OF_MANY: i64 = 10_000;

pub(in crate::batch) fn validate(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let numbers = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    counts::not_negative(errors, spec, &numbers, path);
    if is_set(spec, "maxFailedIndexes") && !is_set(spec, "backoffLimitPerIndex") {
        errors.push(field::required(&path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified"));
    }
    validate_manager(errors, spec, &path.child("managedBy"));
    one_of(errors, spec, "/completionMode", &path.child("completionMode"), &["NonIndexed", "Indexed"]);
    if is_indexed(spec) {
        validate_indexed(errors, spec, path)
    } else {
        refuse_indexes(errors, spec, path)
    }
    failure_policy::validate(errors, spec, &path.child("podFailurePolicy"));
    validate_success(errors, spec, &path.child("successPolicy"));
    validate_replacement(errors, spec, &path.child("podReplacementPolicy"));
    template::validate(errors, spec.get("template").unwrap_or(&Value::Null), &path.child("template"));
    validate_restart(errors, spec, &path.child("template").child("spec").child("restartPolicy"));
}

pub(super) fn is_indexed(spec: &Value) -> bool {
    object::str_at(spec, "/completionMode") == Some("Indexed")
}

fn is_set(spec: &Value, name: &str) -> bool {
    spec.get(name).is_some_and(|value| !value.is_null())
}

fn validate_manager(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let Some(manager) = spec.get("managedBy").and_then(Value::as_str) else { return };
    network::validate_domain_path(errors, manager, path);
    if manager.len() > MAX_MANAGED_BY {
        errors.push(field::too_long(path, MAX_MANAGED_BY));
    }
}

fn validate_indexed(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let number = |name: &str| spec.get(name).and_then(Value::as_i64);
    let (completions, parallelism, failed) = (number("completions"), number("parallelism"), number("maxFailedIndexes"));
    if completions.is_none() {
        errors.push(field::required(&path.child("completions"), "when completion mode is Indexed"));
    }
    if let Some(parallelism) = parallelism.filter(|number| *number > MAX_PARALLELISM) {
        let why = format!("must be less than or equal to {MAX_PARALLELISM} when completion mode is Indexed");
        errors.push(field::invalid(&path.child("parallelism"), parallelism, why));
    }
    if let Some(failed) = failed {
        let path = path.child("maxFailedIndexes");
        if completions.is_some_and(|completions| failed > completions) {
            errors.push(field::invalid(&path, failed, "must be less than or equal to completions"));
        }
        if failed > MAX_FAILED_INDEXES {
            errors.push(field::invalid(&path, failed, format!("must be less than or equal to {MAX_FAILED_INDEXES}")));
        }
    }
    if completions > Some(MANY_COMPLETIONS) && is_set(spec, "backoffLimitPerIndex") {
        validate_many(errors, parallelism, failed, path);
    }
}

fn validate_many(errors: &mut ErrorList, parallelism: Option<i64>, failed: Option<i64>, path: &Path) {
    if failed.is_none() {
        let why = format!("must be specified when completions is above {MANY_COMPLETIONS}");
        errors.push(field::required(&path.child("maxFailedIndexes"), why));
    }
    for (name, value) in [("parallelism", parallelism), ("maxFailedIndexes", failed)] {
        if let Some(value) = value.filter(|value| *value > MAX_OF_MANY) {
            let why = format!(
                "must be less than or equal to {MAX_OF_MANY} when completions are above {MANY_COMPLETIONS} and used with backoff limit \
                 per index"
            );
            errors.push(field::invalid(&path.child(name), value, why));
        }
    }
}

fn refuse_indexes(errors: &mut ErrorList, spec: &Value, path: &Path) {
    for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
        if let Some(value) = spec.get(name).and_then(Value::as_i64) {
            errors.push(field::invalid(&path.child(name), value, "requires indexed completion mode"));
        }
    }
}

fn validate_success(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let Some(policy) = spec.get("successPolicy").filter(|policy| policy.is_object()) else { return };
    if is_indexed(spec) {
        success_policy::validate(errors, spec, policy, path);
    } else {
        errors.push(field::invalid(path, policy.clone(), "requires indexed completion mode"));
    }
}

/// With a failure policy, a pod is replaced once it has failed, not before.
fn validate_replacement(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let allowed: &[&str] =
        if is_set(spec, "podFailurePolicy") { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    one_of(errors, spec, "/podReplacementPolicy", path, allowed);
}

fn validate_restart(errors: &mut ErrorList, spec: &Value, path: &Path) {
    match object::str_at(spec, "/template/spec/restartPolicy") {
        None | Some("Always") => errors.push(field::required(path, "valid values: \"OnFailure\", \"Never\"")),
        Some(policy @ "OnFailure") if is_set(spec, "podFailurePolicy") => {
            let why = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.push(field::invalid(path, policy, why));
        }
        Some("OnFailure" | "Never") => (),
        Some(other) => errors.push(field::not_supported(path, other, &["OnFailure", "Never"])),
    }
}

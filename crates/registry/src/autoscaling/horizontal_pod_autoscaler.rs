//! HorizontalPodAutoscalers, stored as `autoscaling/v2` has them. Upstream: `pkg/registry/autoscaling/horizontalpodautoscaler`.

mod metrics;
mod rows;

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::v1::FirstVersion;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};
use crate::validation::{counts, one_of, path_segment};
use crate::view::View;

const MAX_PERIOD_SECONDS: i64 = 1800;
const MAX_WINDOW_SECONDS: i64 = 3600;

pub(crate) struct HorizontalPodAutoscalerStrategy;

impl Strategy for HorizontalPodAutoscalerStrategy {
    fn names(&self) -> Names {
        let names = Names::new(
            ("autoscaling", "v2"),
            ("HorizontalPodAutoscaler", "HorizontalPodAutoscalerList"),
            ("horizontalpodautoscalers", "horizontalpodautoscaler"),
            "autoscaling.v2.HorizontalPodAutoscaler",
        );
        names.short(&["hpa"]).in_all()
    }

    fn views(&self) -> &'static [&'static dyn View] {
        &[&FirstVersion]
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate_spec(object, 1)
    }

    /// One that could scale to zero may go on doing so.
    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let least = if object::i64_at(old, "/spec/minReplicas") == Some(0) { 0 } else { 1 };
        validate_spec(object, least)
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let status = object.get("status").unwrap_or(&Value::Null);
        counts::not_negative(&mut errors, status, &["currentReplicas", "desiredReplicas"], &Path::new("status"));
        errors
    }

    fn columns(&self) -> Vec<Column> {
        rows::columns()
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        rows::row(object, now)
    }
}

/// Upstream: `validateHorizontalPodAutoscalerSpec`.
fn validate_spec(object: &Value, least: i64) -> ErrorList {
    let mut errors = ErrorList::new();
    let (spec, path) = (object.get("spec").unwrap_or(&Value::Null), Path::new("spec"));
    let min = object::i64_at(spec, "/minReplicas");
    let max = object::i64_at(spec, "/maxReplicas").unwrap_or(0);
    if let Some(min) = min.filter(|min| *min < least) {
        let why = format!("must be greater than or equal to {least}");
        errors.push(field::invalid(&path.child("minReplicas"), min, why));
    }
    if max < 1 {
        errors.push(field::invalid(&path.child("maxReplicas"), max, "must be greater than 0"));
    }
    if min.is_some_and(|min| max < min) {
        let why = "must be greater than or equal to `minReplicas`";
        errors.push(field::invalid(&path.child("maxReplicas"), max, why));
    }
    validate_reference(&mut errors, spec.get("scaleTargetRef").unwrap_or(&Value::Null), &path.child("scaleTargetRef"));
    metrics::validate(&mut errors, spec, min, &path.child("metrics"));
    for direction in ["scaleUp", "scaleDown"] {
        let rules = spec.get("behavior").and_then(|behavior| behavior.get(direction)).filter(|rules| rules.is_object());
        if let Some(rules) = rules {
            validate_rules(&mut errors, rules, &path.child("behavior").child(direction));
        }
    }
    errors
}

/// Upstream: `ValidateCrossVersionObjectReference`.
fn validate_reference(errors: &mut ErrorList, reference: &Value, path: &Path) {
    for name in ["kind", "name"] {
        let path = path.child(name);
        match object::str_at(reference, &format!("/{name}")) {
            None => errors.push(field::required(&path, "")),
            Some(text) => crate::validation::invalid_all(errors, &path, text, path_segment(text)),
        }
    }
}

/// Upstream: `validateScalingRules`.
fn validate_rules(errors: &mut ErrorList, rules: &Value, path: &Path) {
    let window = object::i64_at(rules, "/stabilizationWindowSeconds");
    if let Some(window) = window.filter(|window| !(0..=MAX_WINDOW_SECONDS).contains(window)) {
        let why = match window {
            ..0 => "must be greater than or equal to zero".to_owned(),
            _ => format!("must be less than or equal to {MAX_WINDOW_SECONDS}"),
        };
        errors.push(field::invalid(&path.child("stabilizationWindowSeconds"), window, why));
    }
    one_of(errors, rules, "/selectPolicy", &path.child("selectPolicy"), &["Disabled", "Max", "Min"]);
    let (policies, path) = (object::list_at(rules, "/policies"), path.child("policies"));
    if policies.is_empty() {
        errors.push(field::required(&path, "must specify at least one Policy"));
    }
    for (index, policy) in policies.iter().enumerate() {
        validate_policy(errors, policy, &path.index(index));
    }
}

fn validate_policy(errors: &mut ErrorList, policy: &Value, path: &Path) {
    let type_ = object::str_at(policy, "/type").unwrap_or_default();
    if !matches!(type_, "Pods" | "Percent") {
        errors.push(field::not_supported(&path.child("type"), type_, &["Percent", "Pods"]));
    }
    for name in ["value", "periodSeconds"] {
        let number = object::i64_at(policy, &format!("/{name}")).unwrap_or(0);
        if number <= 0 {
            errors.push(field::invalid(&path.child(name), number, "must be greater than zero"));
        }
        if name == "periodSeconds" && number > MAX_PERIOD_SECONDS {
            let why = format!("must be less than or equal to {MAX_PERIOD_SECONDS}");
            errors.push(field::invalid(&path.child(name), number, why));
        }
    }
}

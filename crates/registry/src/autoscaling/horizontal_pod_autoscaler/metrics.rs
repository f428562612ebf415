//! What an autoscaler looks at. Upstream: `validateMetricSpec`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1123_label;
use serde_json::Value;

use super::validate_reference;
use crate::validation::{invalid_all, labels, path_segment, resources};

/// Type and member, in the order in which members are looked at.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

pub(super) fn validate(errors: &mut ErrorList, spec: &Value, min: Option<i64>, path: &Path) {
    let metrics = object::list_at(spec, "/metrics");
    for (index, metric) in metrics.iter().enumerate() {
        validate_metric(errors, metric, &path.index(index));
    }
    let wakes = |metric: &Value| matches!(object::str_at(metric, "/type"), Some("Object" | "External"));
    if min == Some(0) && !metrics.iter().any(wakes) {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.push(field::forbidden(path, why));
    }
}

fn validate_metric(errors: &mut ErrorList, metric: &Value, path: &Path) {
    let type_ = object::str_at(metric, "/type").unwrap_or_default();
    if type_.is_empty() {
        errors.push(field::required(&path.child("type"), "must specify a metric source type"));
    }
    let wanted = SOURCES.iter().find(|(name, _)| *name == type_).map(|(_, member)| *member);
    if wanted.is_none() {
        errors.push(field::not_supported(&path.child("type"), type_, &TYPES));
    }
    let given = |member: &str| metric.get(member).filter(|source| source.is_object());
    let present: Vec<&str> =
        SOURCES.iter().map(|(_, member)| *member).filter(|member| given(member).is_some()).collect();
    if let Some((member, source)) = present.first().and_then(|member| Some((*member, given(member)?))) {
        validate_source(errors, member, source, &path.child(member));
    }
    if let Some(wanted) = wanted.filter(|wanted| !present.contains(wanted)) {
        let why = "must populate information for the given metric source";
        errors.push(field::required(&path.child(wanted), why));
    }
    if present.len() != 1 {
        for member in present.into_iter().filter(|member| Some(*member) != wanted) {
            errors.push(field::forbidden(&path.child(member), "must populate the given metric source only"));
        }
    }
}

fn validate_source(errors: &mut ErrorList, member: &str, source: &Value, path: &Path) {
    match member {
        "object" => {
            let described = source.get("describedObject").unwrap_or(&Value::Null);
            validate_reference(errors, described, &path.child("describedObject"));
            validate_identifier(errors, source, &path.child("metric"));
        }
        "external" | "pods" => validate_identifier(errors, source, &path.child("metric")),
        _ => validate_resource(errors, member, source, path),
    }
    let (target, path) = (source.get("target").unwrap_or(&Value::Null), path.child("target"));
    validate_target(errors, target, &path);
    let given = |name: &str| target.get(name).is_some_and(|value| !value.is_null());
    let average = path.child("averageValue");
    match member {
        "object" if !given("value") && !given("averageValue") => {
            errors.push(field::required(&average, "must set either a target value or averageValue"));
        }
        "external" if !given("value") && !given("averageValue") => {
            errors.push(field::required(&average, "must set either a target value for metric or a per-pod target"));
        }
        "external" if given("value") && given("averageValue") => {
            let why = "may not set both a target value for metric and a per-pod target";
            errors.push(field::forbidden(&path.child("value"), why));
        }
        "pods" if !given("averageValue") => {
            errors.push(field::required(&average, "must specify a positive target averageValue"));
        }
        "resource" | "containerResource" if !given("averageUtilization") && !given("averageValue") => {
            let why = "must set either a target raw value or a target utilization";
            errors.push(field::required(&path.child("averageUtilization"), why));
        }
        "resource" | "containerResource" if given("averageUtilization") && given("averageValue") => {
            errors.push(field::forbidden(&average, "may not set both a target raw value and a target utilization"));
        }
        _ => (),
    }
}

fn validate_resource(errors: &mut ErrorList, member: &str, source: &Value, path: &Path) {
    if object::str_at(source, "/name").is_none() {
        errors.push(field::required(&path.child("name"), "must specify a resource name"));
    }
    if member == "containerResource" {
        match object::str_at(source, "/container") {
            None => errors.push(field::required(&path.child("container"), "must specify a container")),
            Some(name) => invalid_all(errors, &path.child("container"), name, dns1123_label(name)),
        }
    }
}

/// Upstream: `validateMetricIdentifier`.
fn validate_identifier(errors: &mut ErrorList, source: &Value, path: &Path) {
    match object::str_at(source, "/metric/name") {
        None => errors.push(field::required(&path.child("name"), "must specify a metric name")),
        Some(name) => invalid_all(errors, &path.child("name"), name, path_segment(name)),
    }
    let selector = source.pointer("/metric/selector").filter(|selector| selector.is_object());
    labels::validate_selector(errors, selector, &path.child("selector"));
}

/// Upstream: `validateMetricTarget`.
fn validate_target(errors: &mut ErrorList, target: &Value, path: &Path) {
    let type_ = object::str_at(target, "/type").unwrap_or_default();
    if type_.is_empty() {
        errors.push(field::required(&path.child("type"), "must specify a metric target type"));
    }
    if !matches!(type_, "Utilization" | "Value" | "AverageValue") {
        let why = "must be either Utilization, Value, or AverageValue";
        errors.push(field::invalid(&path.child("type"), type_, why));
    }
    for name in ["value", "averageValue"] {
        let Some(value) = target.get(name).filter(|value| !value.is_null()) else { continue };
        let positive =
            resources::quantity(value).is_some_and(|quantity| !quantity.is_zero() && !quantity.is_negative());
        if !positive {
            errors.push(field::invalid(&path.child(name), value.clone(), "must be positive"));
        }
    }
    if let Some(share) = object::i64_at(target, "/averageUtilization").filter(|share| *share < 1) {
        errors.push(field::invalid(&path.child("averageUtilization"), share, "must be greater than 0"));
    }
}

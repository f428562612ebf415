//! Deployments. Upstream: `pkg/registry/apps/deployment`, `ValidateDeployment`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};
use crate::validation::{immutable, not_negative, one_of, template};
use crate::verbs::update::keep_metadata;

pub(crate) struct DeploymentStrategy;

impl Strategy for DeploymentStrategy {
    fn names(&self) -> Names {
        let names = Names::new(
            ("apps", "v1"),
            ("Deployment", "DeploymentList"),
            ("deployments", "deployment"),
            "apps.v1.Deployment",
        );
        names.short(&["deploy"]).in_all()
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::SCALE, Subresource::STATUS] }
    }

    fn reset_fields(&self, subresource: &str) -> Vec<&'static [&'static str]> {
        if subresource == "status" { vec![&["spec"], &["metadata", "labels"]] } else { vec![&["status"]] }
    }

    fn prepare_status_update(&self, _: &str, object: &mut Value, old: &Value) {
        keep_metadata(object, old, "labels");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.get("spec").unwrap_or(&Value::Null);
        for name in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
            not_negative(&mut errors, spec, &format!("/{name}"), &path.child(name));
        }
        template::validate_selector(&mut errors, spec, "deployment", &path);
        template::validate(&mut errors, spec.get("template").unwrap_or(&Value::Null), &path.child("template"));
        template::require_always(&mut errors, spec, &path);
        validate_strategy(&mut errors, spec, &path.child("strategy"));
        validate_deadline(&mut errors, spec, &path.child("progressDeadlineSeconds"));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        immutable(&mut errors, object, old, "/spec/selector", &Path::new("spec").child("selector"));
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for name in ["observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
            let path = Path::new("status").child(name);
            not_negative(&mut errors, object, &format!("/status/{name}"), &path);
        }
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    /// Annotations count, since the controller copies them to its replica sets. Upstream: the strategy's `PrepareForUpdate`.
    fn spec_changed(&self, object: &Value, old: &Value) -> bool {
        let annotations = ["metadata", "annotations"];
        object.get("spec") != old.get("spec") || object::get(object, &annotations) != object::get(old, &annotations)
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns = vec![
            Column::name(),
            cell::text_column("Ready", "How many of the wanted pods are ready."),
            cell::number_column("Up-to-date", "How many pods are of the newest template."),
            cell::number_column("Available", "How many pods have been ready long enough."),
            cell::age_column(),
        ];
        columns.extend(cell::template_columns());
        columns
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let number = |pointer| cell::number(object, pointer);
        let (containers, images) = cell::containers(object, "/spec/template/spec/containers");
        vec![
            cell::name(object),
            format!("{}/{}", number("/status/readyReplicas"), number("/spec/replicas")).into(),
            number("/status/updatedReplicas").into(),
            number("/status/availableReplicas").into(),
            cell::age(object, now),
            containers.into(),
            images.into(),
            cell::selector(object, "/spec/selector").into(),
        ]
    }
}

/// Upstream: `ValidateDeploymentStrategy`, `ValidateRollingUpdateDeployment`.
fn validate_strategy(errors: &mut ErrorList, spec: &Value, path: &Path) {
    one_of(errors, spec, "/strategy/type", &path.child("type"), &["Recreate", "RollingUpdate"]);
    let rolling = spec.pointer("/strategy/rollingUpdate").filter(|rolling| rolling.is_object());
    let path = path.child("rollingUpdate");
    if object::str_at(spec, "/strategy/type") == Some("Recreate") {
        if rolling.is_some() {
            errors.push(field::forbidden(&path, "may not be specified when strategy `type` is 'Recreate'"));
        }
        return;
    }
    let Some(rolling) = rolling else { return };
    let amounts = ["maxUnavailable", "maxSurge"].map(|name| {
        let value = rolling.get(name);
        validate_amount(errors, value, &path.child(name));
        value.map(is_zero)
    });
    if amounts == [Some(true), Some(true)] {
        let shown = rolling["maxUnavailable"].clone();
        errors.push(field::invalid(&path.child("maxUnavailable"), shown, "may not be 0 when `maxSurge` is 0"));
    }
}

/// A number that is not negative, or a percentage.
fn validate_amount(errors: &mut ErrorList, value: Option<&Value>, path: &Path) {
    match value {
        Some(Value::Number(number)) if number.as_i64().is_some_and(|number| number < 0) => {
            errors.push(field::invalid(path, number.as_i64(), "must be greater than or equal to 0"));
        }
        Some(Value::String(text)) if percentage(text).is_none() => {
            let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used \
                       for validation is '[0-9]+%')";
            errors.push(field::invalid(path, text.as_str(), why));
        }
        Some(Value::String(text)) if path.to_string().ends_with("maxUnavailable") && percentage(text) > Some(100) => {
            errors.push(field::invalid(path, text.as_str(), "must not be greater than 100%"));
        }
        _ => (),
    }
}

fn percentage(text: &str) -> Option<u32> {
    text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

fn is_zero(value: &Value) -> bool {
    value.as_i64() == Some(0) || value.as_str().and_then(percentage) == Some(0)
}

fn validate_deadline(errors: &mut ErrorList, spec: &Value, path: &Path) {
    not_negative(errors, spec, "/progressDeadlineSeconds", path);
    let Some(deadline) = object::i64_at(spec, "/progressDeadlineSeconds") else { return };
    if deadline <= object::i64_at(spec, "/minReadySeconds").unwrap_or(0) {
        errors.push(field::invalid(path, deadline, "must be greater than minReadySeconds"));
    }
}

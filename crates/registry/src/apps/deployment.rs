//! Deployments. Upstream: `pkg/registry/apps/deployment`, `ValidateDeployment`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};
use crate::validation::{amount, counts, immutable, not_negative, template};
use crate::verbs::update::keep_metadata;

/// Numbers of the status. Upstream: `ValidateDeploymentStatus`.
const COUNTS: [&str; 7] = [
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "collisionCount",
];

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
        not_negative(&mut errors, spec, "/replicas", &path.child("replicas"));
        template::validate_selector(&mut errors, spec, "deployment", &path);
        template::validate(&mut errors, spec.get("template").unwrap_or(&Value::Null), &path.child("template"));
        template::require_always(&mut errors, spec, "ReplicaSet", &path);
        validate_strategy(&mut errors, spec.get("strategy").unwrap_or(&Value::Null), &path.child("strategy"));
        counts::not_negative(&mut errors, spec, &["minReadySeconds", "revisionHistoryLimit"], &path);
        validate_deadline(&mut errors, spec, &path.child("progressDeadlineSeconds"));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        immutable(&mut errors, object, old, "/spec/selector", &Path::new("spec").child("selector"));
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (status, path) = (object.get("status").unwrap_or(&Value::Null), Path::new("status"));
        counts::not_negative(&mut errors, status, &COUNTS, &path);
        for name in ["updatedReplicas", "readyReplicas", "availableReplicas"] {
            counts::at_most(&mut errors, status, name, ("replicas", "status.replicas"), &path);
        }
        counts::at_most(&mut errors, status, "availableReplicas", ("readyReplicas", "readyReplicas"), &path);
        counts::not_decremented(&mut errors, object, old);
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
fn validate_strategy(errors: &mut ErrorList, strategy: &Value, path: &Path) {
    let rolling = strategy.get("rollingUpdate").filter(|rolling| rolling.is_object());
    let within = path.child("rollingUpdate");
    match (object::str_at(strategy, "/type").unwrap_or_default(), rolling) {
        ("Recreate", Some(_)) => {
            errors.push(field::forbidden(&within, "may not be specified when strategy `type` is 'Recreate'"));
        }
        ("Recreate", None) => (),
        ("RollingUpdate", Some(rolling)) => validate_rolling(errors, rolling, &within),
        ("RollingUpdate", None) => {
            errors.push(field::required(&within, "this should be defaulted and never be nil"));
        }
        _ => errors.push(field::not_supported(path, strategy.clone(), &["Recreate", "RollingUpdate"])),
    }
}

fn validate_rolling(errors: &mut ErrorList, rolling: &Value, path: &Path) {
    let [unavailable, surge] = ["maxUnavailable", "maxSurge"].map(|name| rolling.get(name));
    let unavailable_path = path.child("maxUnavailable");
    amount::validate(errors, unavailable, &unavailable_path);
    amount::validate(errors, surge, &path.child("maxSurge"));
    if amount::is_zero(unavailable) && amount::is_zero(surge) {
        let shown = unavailable.cloned().unwrap_or(Value::Null);
        errors.push(field::invalid(&unavailable_path, shown, "may not be 0 when `maxSurge` is 0"));
    }
    amount::at_most_all(errors, unavailable, &unavailable_path);
}

fn validate_deadline(errors: &mut ErrorList, spec: &Value, path: &Path) {
    not_negative(errors, spec, "/progressDeadlineSeconds", path);
    let Some(deadline) = object::i64_at(spec, "/progressDeadlineSeconds") else { return };
    if deadline <= object::i64_at(spec, "/minReadySeconds").unwrap_or(0) {
        errors.push(field::invalid(path, deadline, "must be greater than minReadySeconds"));
    }
}

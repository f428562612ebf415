//! DaemonSets. Upstream: `pkg/registry/apps/daemonset`, `ValidateDaemonSet`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};
use crate::validation::{amount, counts, immutable, labels, template};

/// Counts the templates there have been; a field of older versions that clients of this one see as an annotation.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Numbers of the status. Upstream: `validateDaemonSetStatus`.
const COUNTS: [&str; 9] = [
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
];

pub(crate) struct DaemonSetStrategy;

impl Strategy for DaemonSetStrategy {
    fn names(&self) -> Names {
        let kind = ("DaemonSet", "DaemonSetList");
        let names = Names::new(("apps", "v1"), kind, ("daemonsets", "daemonset"), "apps.v1.DaemonSet");
        names.short(&["ds"]).in_all()
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn prepare_create(&self, object: &mut Value) {
        object::remove(object, &["status"]);
        let generation = template_generation(object).max(1);
        object::set_annotation(object, TEMPLATE_GENERATION, generation.to_string());
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        let changed = object.pointer("/spec/template") != old.pointer("/spec/template");
        let generation = template_generation(old).max(1) + i64::from(changed);
        object::set_annotation(object, TEMPLATE_GENERATION, generation.to_string());
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.get("spec").unwrap_or(&Value::Null);
        validate_selector(&mut errors, spec, &path);
        template::validate(&mut errors, spec.get("template").unwrap_or(&Value::Null), &path.child("template"));
        template::require_always(&mut errors, spec, "DaemonSet", &path);
        counts::not_negative(&mut errors, spec, &["minReadySeconds"], &path);
        validate_strategy(
            &mut errors,
            spec.get("updateStrategy").unwrap_or(&Value::Null),
            &path.child("updateStrategy"),
        );
        counts::not_negative(&mut errors, spec, &["revisionHistoryLimit"], &path);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        immutable(&mut errors, object, old, "/spec/selector", &Path::new("spec").child("selector"));
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        counts::not_negative(&mut errors, object.get("status").unwrap_or(&Value::Null), &COUNTS, &Path::new("status"));
        counts::not_decremented(&mut errors, object, old);
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let number = cell::number_column;
        let mut columns = vec![
            Column::name(),
            number("Desired", "How many nodes should run the pod."),
            number("Current", "How many nodes have the pod."),
            number("Ready", "How many nodes have a pod that is ready."),
            number("Up-to-date", "How many nodes have a pod of the newest template."),
            number("Available", "How many nodes have a pod that has been ready long enough."),
            cell::text_column("Node Selector", "Labels of the nodes that should run the pod."),
            cell::age_column(),
        ];
        columns.extend(cell::template_columns());
        columns
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let number = |name: &str| Cell::from(cell::number(object, &format!("/status/{name}")));
        let (containers, images) = cell::containers(object, "/spec/template/spec/containers");
        vec![
            cell::name(object),
            number("desiredNumberScheduled"),
            number("currentNumberScheduled"),
            number("numberReady"),
            number("updatedNumberScheduled"),
            number("numberAvailable"),
            cell::map(object, "/spec/template/spec/nodeSelector").into(),
            cell::age(object, now),
            containers.into(),
            images.into(),
            cell::selector(object, "/spec/selector").into(),
        ]
    }
}

fn template_generation(object: &Value) -> i64 {
    object::annotation(object, TEMPLATE_GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Unlike a Deployment's, an absent selector is told only as one that does not match.
fn validate_selector(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let Some(selector) = spec.get("selector").filter(|selector| selector.is_object()) else {
        template::mismatch(errors, spec, path);
        return;
    };
    labels::validate_selector(errors, Some(selector), &path.child("selector"));
    template::match_template(errors, spec, selector, path);
    if labels::is_empty_selector(selector) {
        let why = "empty selector is invalid for daemonset";
        errors.push(field::invalid(&path.child("selector"), selector.clone(), why));
    }
}

/// Upstream: `ValidateDaemonSetUpdateStrategy`.
fn validate_strategy(errors: &mut ErrorList, strategy: &Value, path: &Path) {
    let within = path.child("rollingUpdate");
    match (object::str_at(strategy, "/type"), strategy.get("rollingUpdate").filter(|rolling| rolling.is_object())) {
        (Some("OnDelete"), _) => (),
        (Some("RollingUpdate"), None) => errors.push(field::required(&within, "")),
        (Some("RollingUpdate"), Some(rolling)) => validate_rolling(errors, rolling, &within),
        _ => errors.push(field::not_supported(path, strategy.clone(), &["RollingUpdate", "OnDelete"])),
    }
}

/// Exactly one of the two amounts is not zero. Upstream: `ValidateRollingUpdateDaemonSet`.
fn validate_rolling(errors: &mut ErrorList, rolling: &Value, path: &Path) {
    let amounts = ["maxUnavailable", "maxSurge"].map(|name| (rolling.get(name), path.child(name)));
    amounts.iter().for_each(|(value, path)| amount::validate(errors, *value, path));
    amounts.iter().for_each(|(value, path)| amount::at_most_all(errors, *value, path));
    let [(unavailable, unavailable_path), (surge, surge_path)] = amounts;
    match (amount::is_zero(unavailable), amount::is_zero(surge)) {
        (false, false) => {
            let shown = surge.cloned().unwrap_or(Value::Null);
            errors.push(field::invalid(&surge_path, shown, "may not be set when maxUnavailable is non-zero"));
        }
        (true, true) => errors.push(field::required(&unavailable_path, "cannot be 0 when maxSurge is 0")),
        _ => (),
    }
}

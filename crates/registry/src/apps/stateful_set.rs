//! StatefulSets. Upstream: `pkg/registry/apps/statefulset`, `ValidateStatefulSet`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};
use crate::validation::{NameRule, amount, counts, labels, not_negative, one_of, template};

/// What of the spec an update may change.
const MUTABLE: [&str; 6] =
    ["replicas", "ordinals", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy", "minReadySeconds"];

/// Numbers of the status. Upstream: `ValidateStatefulSetStatus`.
const COUNTS: [&str; 7] = [
    "replicas",
    "readyReplicas",
    "currentReplicas",
    "updatedReplicas",
    "availableReplicas",
    "observedGeneration",
    "collisionCount",
];

pub(crate) struct StatefulSetStrategy;

impl Strategy for StatefulSetStrategy {
    fn names(&self) -> Names {
        let kind = ("StatefulSet", "StatefulSetList");
        let names = Names::new(("apps", "v1"), kind, ("statefulsets", "statefulset"), "apps.v1.StatefulSet");
        names.short(&["sts"]).in_all()
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::SCALE, Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.get("spec").unwrap_or(&Value::Null);
        validate_management(&mut errors, spec, &path.child("podManagementPolicy"));
        validate_strategy(
            &mut errors,
            spec.get("updateStrategy").unwrap_or(&Value::Null),
            &path.child("updateStrategy"),
        );
        for name in ["whenDeleted", "whenScaled"] {
            let policy = path.child("persistentVolumeClaimRetentionPolicy").child(name);
            let pointer = format!("/persistentVolumeClaimRetentionPolicy/{name}");
            one_of(&mut errors, spec, &pointer, &policy, &["Retain", "Delete"]);
        }
        counts::not_negative(&mut errors, spec, &["replicas", "minReadySeconds"], &path);
        not_negative(&mut errors, spec, "/ordinals/start", &path.child("ordinals.start"));
        template::validate_selector(&mut errors, spec, "statefulset", &path);
        validate_template(&mut errors, spec.get("template").unwrap_or(&Value::Null), &path.child("template"));
        template::require_always(&mut errors, spec, "StatefulSet", &path);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        if fixed(object) != fixed(old) {
            let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
                       'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
            errors.push(field::forbidden(&Path::new("spec"), why));
        }
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (status, path) = (object.get("status").unwrap_or(&Value::Null), Path::new("status"));
        counts::not_negative(&mut errors, status, &COUNTS, &path);
        for name in ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"] {
            counts::at_most(&mut errors, status, name, ("replicas", "status.replicas"), &path);
        }
        counts::at_most(&mut errors, status, "availableReplicas", ("readyReplicas", "status.readyReplicas"), &path);
        counts::not_decremented(&mut errors, object, old);
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        let negative = object::i64_at(object, "/spec/revisionHistoryLimit").is_some_and(|limit| limit < 0);
        let warning =
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended";
        if negative { vec![warning.to_owned()] } else { Vec::new() }
    }

    /// Its pods are named after it, and their host names are labels.
    fn name_rule(&self) -> NameRule {
        NameRule::DnsLabel
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let [containers, images, _] = cell::template_columns();
        vec![
            Column::name(),
            cell::text_column("Ready", "How many of the wanted pods are ready."),
            cell::age_column(),
            containers,
            images,
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let number = |pointer| cell::number(object, pointer);
        let (containers, images) = cell::containers(object, "/spec/template/spec/containers");
        vec![
            cell::name(object),
            format!("{}/{}", number("/status/readyReplicas"), number("/spec/replicas")).into(),
            cell::age(object, now),
            containers.into(),
            images.into(),
        ]
    }
}

fn validate_management(errors: &mut ErrorList, spec: &Value, path: &Path) {
    match object::str_at(spec, "/podManagementPolicy") {
        None => errors.push(field::required(path, "")),
        Some("OrderedReady" | "Parallel") => (),
        Some(other) => errors.push(field::invalid(path, other, "must be 'OrderedReady' or 'Parallel'")),
    }
}

fn validate_strategy(errors: &mut ErrorList, strategy: &Value, path: &Path) {
    let rolling = strategy.get("rollingUpdate").filter(|rolling| rolling.is_object());
    let within = path.child("rollingUpdate");
    match (object::str_at(strategy, "/type"), rolling) {
        (None, _) => errors.push(field::required(path, "")),
        (Some("OnDelete"), Some(rolling)) => {
            errors.push(field::invalid(&within, rolling.clone(), "only allowed for updateStrategy 'RollingUpdate'"));
        }
        (Some("RollingUpdate"), Some(rolling)) => validate_rolling(errors, rolling, &within),
        (Some("OnDelete" | "RollingUpdate"), None) => (),
        (Some(_), _) => errors.push(field::invalid(path, strategy.clone(), "must be 'RollingUpdate' or 'OnDelete'")),
    }
}

fn validate_rolling(errors: &mut ErrorList, rolling: &Value, path: &Path) {
    not_negative(errors, rolling, "/partition", &path.child("partition"));
    let Some(unavailable) = rolling.get("maxUnavailable").filter(|amount| !amount.is_null()) else { return };
    let path = path.child("maxUnavailable");
    amount::validate(errors, Some(unavailable), &path);
    if amount::is_zero(Some(unavailable)) {
        errors.push(field::invalid(&path, unavailable.clone(), "cannot be 0"));
    }
    amount::at_most_all(errors, Some(unavailable), &path);
}

/// Upstream leaves the pods' spec to the pods, since volumes come from claims as well.
fn validate_template(errors: &mut ErrorList, template: &Value, path: &Path) {
    labels::validate(errors, object::labels(template), &path.child("labels"));
    labels::validate_annotations(errors, object::annotations(template), &path.child("annotations"));
}

/// The spec without what may change.
fn fixed(object: &Value) -> Value {
    let mut spec = object.get("spec").cloned().unwrap_or(Value::Null);
    for name in MUTABLE {
        object::remove(&mut spec, &[name]);
    }
    spec
}

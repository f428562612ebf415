//! ReplicaSets. Upstream: `pkg/registry/apps/replicaset`, `ValidateReplicaSet`.

use jiff::Timestamp;
use sampan_meta::field::{ErrorList, Path};
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, SelectableField, Strategy};
use crate::validation::{counts, immutable, template};
use crate::verbs::update::keep_metadata;

pub(crate) struct ReplicaSetStrategy;

impl Strategy for ReplicaSetStrategy {
    fn names(&self) -> Names {
        let names = Names::new(
            ("apps", "v1"),
            ("ReplicaSet", "ReplicaSetList"),
            ("replicasets", "replicaset"),
            "apps.v1.ReplicaSet",
        );
        names.short(&["rs"]).in_all()
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
        counts::not_negative(&mut errors, spec, &["replicas", "minReadySeconds"], &path);
        template::validate_selector(&mut errors, spec, "deployment", &path);
        template::validate(&mut errors, spec.get("template").unwrap_or(&Value::Null), &path.child("template"));
        template::require_always(&mut errors, spec, "ReplicaSet", &path);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        immutable(&mut errors, object, old, "/spec/selector", &Path::new("spec").child("selector"));
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        counts::validate_replicas(object)
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const { &[SelectableField::new("status.replicas", &["status.replicas"]).absent("0")] }
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns = vec![
            Column::name(),
            cell::number_column("Desired", "How many pods are wanted."),
            cell::number_column("Current", "How many pods there are."),
            cell::number_column("Ready", "How many pods are ready."),
            cell::age_column(),
        ];
        columns.extend(cell::template_columns());
        columns
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let number = |pointer| Cell::from(cell::number(object, pointer));
        let (containers, images) = cell::containers(object, "/spec/template/spec/containers");
        vec![
            cell::name(object),
            number("/spec/replicas"),
            number("/status/replicas"),
            number("/status/readyReplicas"),
            cell::age(object, now),
            containers.into(),
            images.into(),
            cell::selector(object, "/spec/selector").into(),
        ]
    }
}

//! ReplicationControllers. Upstream: `pkg/registry/core/replicationcontroller`, `ValidateReplicationController`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::selector::LabelSelector;
use sampan_meta::table::{Cell, Column};
use serde_json::{Map, Value};

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, SelectableField, Strategy};
use crate::validation::{counts, template};
use crate::verbs::update::keep_metadata;

pub(crate) struct ReplicationControllerStrategy;

impl Strategy for ReplicationControllerStrategy {
    fn names(&self) -> Names {
        let names = Names::new(
            ("", "v1"),
            ("ReplicationController", "ReplicationControllerList"),
            ("replicationcontrollers", "replicationcontroller"),
            "core.v1.ReplicationController",
        );
        names.short(&["rc"]).in_all()
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::SCALE, Subresource::STATUS] }
    }

    fn prepare_status_update(&self, _: &str, object: &mut Value, old: &Value) {
        keep_metadata(object, old, "labels");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (spec, path) = (object.get("spec").unwrap_or(&Value::Null), Path::new("spec"));
        let selector = spec.get("selector").and_then(Value::as_object);
        counts::not_negative(&mut errors, spec, &["minReadySeconds"], &path);
        if selector.is_none_or(Map::is_empty) {
            errors.push(field::required(&path.child("selector"), ""));
        }
        counts::not_negative(&mut errors, spec, &["replicas"], &path);
        let Some(pods) = spec.get("template").filter(|template| template.is_object()) else {
            errors.push(field::required(&path.child("template"), ""));
            return errors;
        };
        if !LabelSelector::from_map(selector).matches_map(object::labels(pods)) {
            template::mismatch(&mut errors, spec, &path);
        }
        template::validate(&mut errors, pods, &path.child("template"));
        template::require_always(&mut errors, spec, "ReplicationController", &path);
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
            cell::map(object, "/spec/selector").into(),
        ]
    }
}

//! VolumeAttributesClasses. Upstream: `pkg/registry/storage/volumeattributesclass`, `ValidateVolumeAttributesClass`.

use jiff::Timestamp;
use sampan_meta::field::ErrorList;
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::{GROUP, parameters};
use crate::cell;
use crate::strategy::{Names, Scope, Strategy};

const DEFAULT: &str = "volumeattributesclass.alpha.kubernetes.io/is-default-class";

pub(crate) struct VolumeAttributesClassStrategy;

impl Strategy for VolumeAttributesClassStrategy {
    fn names(&self) -> Names {
        let kind = ("VolumeAttributesClass", "VolumeAttributesClassList");
        let names = ("volumeattributesclasses", "volumeattributesclass");
        Names::new(GROUP, kind, names, "storage.v1.VolumeAttributesClass").short(&["vac"])
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        parameters::validate_driver(&mut errors, object, "driverName");
        parameters::validate(&mut errors, object, true);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        parameters::validate_fixed(&mut errors, object, old, &["driverName", "parameters"]);
        errors.extend(self.validate(object));
        errors
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::text_column("DriverName", "The driver that applies it."), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let name = object::name(object);
        let default = object::annotation(object, DEFAULT) == Some("true");
        vec![
            if default { format!("{name} (default)").into() } else { name.into() },
            cell::text(object, "/driverName", ""),
            cell::age(object, now),
        ]
    }
}

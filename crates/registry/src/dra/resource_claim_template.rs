//! ResourceClaimTemplates. Upstream: `pkg/registry/resource/resourceclaimtemplate`, `ValidateResourceClaimTemplate`.

use jiff::Timestamp;
use sampan_meta::field::{ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::{GROUP, claim};
use crate::cell;
use crate::strategy::{Names, Strategy};
use crate::validation::{immutable, labels};

pub(crate) struct ResourceClaimTemplateStrategy;

impl Strategy for ResourceClaimTemplateStrategy {
    fn names(&self) -> Names {
        let kind = ("ResourceClaimTemplate", "ResourceClaimTemplateList");
        let names = ("resourceclaimtemplates", "resourceclaimtemplate");
        Names::new(GROUP, kind, names, "resource.v1.ResourceClaimTemplate")
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let (mut errors, path) = (ErrorList::new(), Path::new("spec"));
        let template = object.get("spec").unwrap_or(&Value::Null);
        let metadata = path.child("metadata");
        labels::validate_annotations(&mut errors, object::annotations(template), &metadata.child("annotations"));
        labels::validate(&mut errors, object::labels(template), &metadata.child("labels"));
        let devices = template.pointer("/spec/devices").unwrap_or(&Value::Null);
        claim::validate(&mut errors, devices, &path.child("spec").child("devices"));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        immutable(&mut errors, object, old, "/spec", &Path::new("spec"));
        errors
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), cell::age(object, now)]
    }
}

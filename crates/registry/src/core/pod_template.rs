//! PodTemplates. Upstream: `pkg/registry/core/podtemplate`, `ValidatePodTemplate`.

use jiff::Timestamp;
use sampan_meta::field::{ErrorList, Path};
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::strategy::{Names, Strategy};
use crate::validation::template;

pub(crate) struct PodTemplateStrategy;

impl Strategy for PodTemplateStrategy {
    fn names(&self) -> Names {
        let kind = ("PodTemplate", "PodTemplateList");
        Names::new(("", "v1"), kind, ("podtemplates", "podtemplate"), "core.v1.PodTemplate")
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        template::validate(&mut errors, object.get("template").unwrap_or(&Value::Null), &Path::new("template"));
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn spec_changed(&self, object: &Value, old: &Value) -> bool {
        object.get("template") != old.get("template")
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::text_column("Containers", "Names of each container in the template."),
            cell::text_column("Images", "Images referenced by each container in the template."),
            cell::text_column("Pod Labels", "Labels of the pods made of it."),
        ]
    }

    fn row(&self, object: &Value, _: Timestamp) -> Vec<Cell> {
        let (containers, images) = cell::containers(object, "/template/spec/containers");
        let labels = cell::map(object, "/template/metadata/labels");
        vec![cell::name(object), containers.into(), images.into(), labels.into()]
    }
}

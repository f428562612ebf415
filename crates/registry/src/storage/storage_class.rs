//! StorageClasses. Upstream: `pkg/registry/storage/storageclass`, `ValidateStorageClass`, `printStorageClass`.

use jiff::Timestamp;
use sampan_meta::field::{ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::{GROUP, parameters, topology};
use crate::cell;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::{immutable, one_of};

/// Both mark the class of claims that name none.
const DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

pub(crate) struct StorageClassStrategy;

impl Strategy for StorageClassStrategy {
    fn names(&self) -> Names {
        let kind = ("StorageClass", "StorageClassList");
        Names::new(GROUP, kind, ("storageclasses", "storageclass"), "storage.v1.StorageClass").short(&["sc"])
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        parameters::validate_driver(&mut errors, object, "provisioner");
        parameters::validate(&mut errors, object, false);
        one_of(&mut errors, object, "/reclaimPolicy", &Path::new("reclaimPolicy"), &["Delete", "Retain"]);
        let modes = ["Immediate", "WaitForFirstConsumer"];
        one_of(&mut errors, object, "/volumeBindingMode", &Path::new("volumeBindingMode"), &modes);
        topology::validate(&mut errors, object);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        parameters::validate_fixed(&mut errors, object, old, &["parameters", "provisioner", "reclaimPolicy"]);
        immutable(&mut errors, object, old, "/volumeBindingMode", &Path::new("volumeBindingMode"));
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        topology_warnings(object)
    }

    fn keep_parsed(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            Column::name(),
            text("Provisioner", "Who makes its volumes."),
            text("ReclaimPolicy", "What becomes of a volume whose claim is gone."),
            text("VolumeBindingMode", "When a claim gets its volume."),
            Column::new("AllowVolumeExpansion", "boolean", "Whether claims may grow."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let default = DEFAULT.iter().any(|mark| object::annotation(object, mark) == Some("true"));
        let name = object::name(object);
        vec![
            if default { format!("{name} (default)").into() } else { name.into() },
            cell::text(object, "/provisioner", ""),
            cell::text(object, "/reclaimPolicy", "Delete"),
            cell::text(object, "/volumeBindingMode", "Immediate"),
            object::bool_at(object, "/allowVolumeExpansion").unwrap_or(false).into(),
            cell::age(object, now),
        ]
    }
}

/// Labels of nodes that have newer names. Upstream: `storageclass/util.go`.
fn topology_warnings(class: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    for (at, term) in object::list_at(class, "/allowedTopologies").iter().enumerate() {
        for (index, expression) in object::list_at(term, "/matchLabelExpressions").iter().enumerate() {
            let path = Path::new("allowedTopologies").index(at).child("matchLabelExpressions").index(index);
            let key = object::str_at(expression, "/key").unwrap_or_default();
            warnings.extend(crate::validation::volume_affinity::deprecated_label(key, &path.child("key")));
        }
    }
    warnings
}

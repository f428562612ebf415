//! PersistentVolumeClaims. Upstream: `pkg/registry/core/persistentvolumeclaim`, `ValidatePersistentVolumeClaim`,
//! `printPersistentVolumeClaim`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::table::{Cell, Column};
use sampan_meta::{Quantity, object};
use serde_json::{Value, json};

use super::persistent_volume::UNSET;
use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};
use crate::validation::persistent_volume_claim;

mod change;
mod status;

pub(crate) struct PersistentVolumeClaimStrategy;

impl Strategy for PersistentVolumeClaimStrategy {
    fn names(&self) -> Names {
        let kind = ("PersistentVolumeClaim", "PersistentVolumeClaimList");
        let names = ("persistentvolumeclaims", "persistentvolumeclaim");
        Names::new(("", "v1"), kind, names, "core.v1.PersistentVolumeClaim").short(&["pvc"])
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Pending"});
        normalize_data_sources(object);
    }

    fn prepare_update(&self, object: &mut Value, _: &Value) {
        normalize_data_sources(object);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let spec = object.get("spec").unwrap_or(&Value::Null);
        persistent_volume_claim::validate_spec(&mut errors, spec, &Path::new("spec"));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        change::validate(&mut errors, object, old);
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        status::validate(object)
    }

    /// Upstream: `GetWarningsForPersistentVolumeClaim`.
    fn warnings(&self, object: &Value) -> Vec<String> {
        let text = object::str_at(object, "/spec/resources/requests/storage");
        let amount = text.and_then(|text| Quantity::parse(text).ok());
        match amount.filter(|amount| amount.milli() % 1000 != 0) {
            Some(amount) => {
                let path = Path::new("spec").child("resources").child("requests").key("storage");
                let amount = amount.to_string();
                vec![format!("{path}: fractional byte value {amount:?} is invalid, must be an integer")]
            }
            None => Vec::new(),
        }
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            Column::name(),
            text("Status", "Whether it is bound."),
            text("Volume", "The volume it is bound to."),
            text("Capacity", "How much that holds."),
            text("Access Modes", "Who may mount it at a time."),
            text("StorageClass", "The class it asks of."),
            text("VolumeAttributesClass", "The class of the attributes it asks for."),
            cell::age_column(),
            text("VolumeMode", "A file system or a bare device.").wide(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let bound = object::str_at(object, "/spec/volumeName").is_some();
        let of_volume = |cell: Cell| if bound { cell } else { "".into() };
        let class = object::annotation(object, super::persistent_volume::CLASS_ANNOTATION);
        vec![
            cell::name(object),
            phase(object).into(),
            cell::text(object, "/spec/volumeName", ""),
            of_volume(cell::text(object, "/status/capacity/storage", "0")),
            of_volume(access_modes(object, "/status/accessModes").into()),
            class.map_or_else(|| cell::text(object, "/spec/storageClassName", ""), Cell::from),
            cell::text(object, "/spec/volumeAttributesClassName", UNSET),
            cell::age(object, now),
            cell::text(object, "/spec/volumeMode", UNSET),
        ]
    }
}

/// `status.phase`, or that it is going.
pub(super) fn phase(object: &Value) -> &str {
    match object::deletion_timestamp(object) {
        Some(_) => "Terminating",
        None => object::str_at(object, "/status/phase").unwrap_or_default(),
    }
}

/// `RWO,ROX`, each mode once. Upstream: `GetAccessModesAsString`.
pub(super) fn access_modes(object: &Value, pointer: &str) -> String {
    let given = object::list_at(object, pointer);
    let short =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let present = short.iter().filter(|(mode, _)| given.iter().any(|one| one.as_str() == Some(mode)));
    present.map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

/// The old field and the new one say the same. Other namespaces are not served. Upstream: `DropDisabledFields`,
/// `NormalizeDataSources`.
fn normalize_data_sources(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    object::remove(spec, &["dataSourceRef", "namespace"]);
    let given = |spec: &Value, name: &str| spec.get(name).filter(|source| source.is_object()).cloned();
    match (given(spec, "dataSource"), given(spec, "dataSourceRef")) {
        (Some(source), None) => spec["dataSourceRef"] = source,
        (None, Some(source)) => spec["dataSource"] = source,
        _ => (),
    }
}

/// The amount at a pointer; nothing when there is none.
fn amount(object: &Value, pointer: &str) -> Quantity {
    object::str_at(object, pointer).and_then(|text| Quantity::parse(text).ok()).unwrap_or(Quantity::ZERO)
}

fn forbidden(errors: &mut ErrorList, path: &Path, why: &str) {
    errors.push(field::forbidden(path, why));
}

//! CSIStorageCapacities: how much room a driver has where. Upstream: `pkg/registry/storage/csistoragecapacity`,
//! `ValidateCSIStorageCapacity`, `printCSIStorageCapacity`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::dns1123_subdomain;
use sampan_meta::{Quantity, object};
use serde_json::Value;

use super::GROUP;
use crate::cell;
use crate::strategy::{Names, Strategy};
use crate::validation::{immutable, invalid_all, labels};

const UNSET: &str = "<unset>";

pub(crate) struct CsiStorageCapacityStrategy;

impl Strategy for CsiStorageCapacityStrategy {
    fn names(&self) -> Names {
        let kind = ("CSIStorageCapacity", "CSIStorageCapacityList");
        Names::new(GROUP, kind, ("csistoragecapacities", "csistoragecapacity"), "storage.v1.CSIStorageCapacity")
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        labels::validate_selector(&mut errors, object.get("nodeTopology"), &Path::new("nodeTopology"));
        let class = object::str_at(object, "/storageClassName").unwrap_or_default();
        invalid_all(&mut errors, &Path::new("storageClassName"), class, dns1123_subdomain(class));
        let capacity = object::str_at(object, "/capacity");
        let amount = capacity.and_then(|text| Quantity::parse(text).ok());
        if let (Some(text), Some(_)) = (capacity, amount.filter(Quantity::is_negative)) {
            let why = "must be greater than or equal to 0";
            errors.push(field::invalid(&Path::new("capacity"), text, why));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        immutable(&mut errors, object, old, "/nodeTopology", &Path::new("nodeTopology"));
        immutable(&mut errors, object, old, "/storageClassName", &Path::new("storageClassName"));
        errors
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::text_column("StorageClassName", "The class this is the room for."),
            cell::text_column("Capacity", "How much room there is."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![
            cell::name(object),
            cell::text(object, "/storageClassName", ""),
            cell::text(object, "/capacity", UNSET),
            cell::age(object, now),
        ]
    }
}

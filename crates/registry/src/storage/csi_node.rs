//! CSINodes: the drivers of a node. Upstream: `pkg/registry/storage/csinode`, `ValidateCSINode`, `printCSINode`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::qualified_name;
use serde_json::Value;

use super::GROUP;
use crate::cell;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::volume_source::validate_driver_name;
use crate::validation::{invalid_all, not_negative};

/// Bytes of the name a driver has for a node.
const MAX_NODE_ID: usize = 256;

pub(crate) struct CsiNodeStrategy;

impl Strategy for CsiNodeStrategy {
    fn names(&self) -> Names {
        Names::new(GROUP, ("CSINode", "CSINodeList"), ("csinodes", "csinode"), "storage.v1.CSINode")
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let mut names = BTreeSet::new();
        for (index, driver) in drivers(object).iter().enumerate() {
            let path = Path::new("spec").child("drivers").index(index);
            validate_driver(&mut errors, driver, &path);
            let name = name(driver);
            if !names.insert(name) {
                errors.push(field::duplicate(&path.child("name"), name));
            }
            validate_topology_keys(&mut errors, driver, &path);
        }
        errors
    }

    /// A driver keeps what it said, but for how many volumes the node takes.
    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        for before in drivers(old) {
            let same = |driver: &&Value| name(driver) == name(before) && !name(before).is_empty();
            for now in drivers(object).iter().filter(same) {
                if without_allocatable(now) != without_allocatable(before) {
                    let path = Path::new("spec").child("drivers");
                    errors.push(field::immutable(&path, without_allocatable(now)));
                }
            }
        }
        errors
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::number_column("Drivers", "How many drivers the node has."), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), drivers(object).len().into(), cell::age(object, now)]
    }
}

fn drivers(object: &Value) -> &[Value] {
    object::list_at(object, "/spec/drivers")
}

fn name(driver: &Value) -> &str {
    object::str_at(driver, "/name").unwrap_or_default()
}

fn validate_driver(errors: &mut ErrorList, driver: &Value, path: &Path) {
    validate_driver_name(errors, name(driver), &path.child("name"));
    let path_of_id = path.child("nodeID");
    match object::str_at(driver, "/nodeID") {
        None => errors.push(field::required(&path_of_id, "")),
        Some(id) if id.len() > MAX_NODE_ID => {
            errors.push(field::invalid(&path_of_id, id, format!("must be {MAX_NODE_ID} characters or less")));
        }
        Some(_) => (),
    }
    not_negative(errors, driver, "/allocatable/count", &path.child("allocatable").child("count"));
}

fn validate_topology_keys(errors: &mut ErrorList, driver: &Value, path: &Path) {
    let mut keys = BTreeSet::new();
    for key in object::list_at(driver, "/topologyKeys").iter().filter_map(Value::as_str) {
        if key.is_empty() {
            errors.push(field::required(path, ""));
        }
        if !keys.insert(key) {
            errors.push(field::duplicate(path, key));
        }
        invalid_all(errors, path, key, qualified_name(key));
    }
}

fn without_allocatable(driver: &Value) -> Value {
    let mut driver = driver.clone();
    object::remove(&mut driver, &["allocatable"]);
    driver
}

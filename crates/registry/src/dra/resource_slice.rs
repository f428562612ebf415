//! ResourceSlices: devices that a driver offers. Upstream: `pkg/registry/resource/resourceslice`, `ValidateResourceSlice`,
//! `printResourceSlice`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::lists::{each_entry, each_once, list, name, text};
use super::{GROUP, device, names};
use crate::cell;
use crate::strategy::{Names, Scope, SelectableField, Strategy};
use crate::validation::immutable;

const MOST_COUNTER_SETS: usize = 8;
const MOST_COUNTERS: usize = 32;
const MOST_DEVICES: usize = 128;
/// When devices have taints, share counters or have lists for attributes.
const MOST_INVOLVED_DEVICES: usize = 64;

pub(crate) struct ResourceSliceStrategy;

impl Strategy for ResourceSliceStrategy {
    fn names(&self) -> Names {
        let kind = ("ResourceSlice", "ResourceSliceList");
        Names::new(GROUP, kind, ("resourceslices", "resourceslice"), "resource.v1.ResourceSlice")
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let (mut errors, path) = (ErrorList::new(), Path::new("spec"));
        let spec = object.get("spec").unwrap_or(&Value::Null);
        names::validate_driver(&mut errors, text(spec, "driver"), &path.child("driver"));
        validate_pool(&mut errors, spec, &path.child("pool"));
        device::validate_place(&mut errors, spec, device::Whose::Slice, &path);
        if ["sharedCounters", "devices"].iter().all(|name| spec.get(*name).is_some_and(Value::is_array)) {
            errors.push(field::invalid(&path, "", "only one of `sharedCounters` or `devices` is allowed"));
        }
        validate_devices(&mut errors, spec, &path.child("devices"));
        let sets = list(spec, "sharedCounters");
        let path = path.child("sharedCounters");
        each_once(&mut errors, sets, MOST_COUNTER_SETS, &path, name, &mut |errors, set, path| {
            validate_counters(errors, set, "name", path);
        });
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        let path = Path::new("spec");
        immutable(&mut errors, object, old, "/spec/pool/name", &path.child("pool").child("name"));
        immutable(&mut errors, object, old, "/spec/driver", &path.child("driver"));
        immutable(&mut errors, object, old, "/spec/nodeName", &path.child("nodeName"));
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        let driver = object::str_at(object, "/spec/driver").unwrap_or_default();
        match driver.chars().any(char::is_uppercase) {
            true => {
                vec![format!("spec.driver: driver names should be lowercase; {driver:?} contains uppercase characters")]
            }
            false => Vec::new(),
        }
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const {
            &[
                SelectableField::new("spec.nodeName", &["spec.nodeName"]),
                SelectableField::new("spec.driver", &["spec.driver"]),
            ]
        }
    }

    fn index(&self) -> Option<&'static str> {
        Some("spec.nodeName")
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            Column::name(),
            text("Node", "The node its devices are at."),
            text("Driver", "Who offers them."),
            text("Pool", "The pool they belong to."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![
            cell::name(object),
            cell::text(object, "/spec/nodeName", ""),
            cell::text(object, "/spec/driver", ""),
            cell::text(object, "/spec/pool/name", ""),
            cell::age(object, now),
        ]
    }
}

fn validate_pool(errors: &mut ErrorList, spec: &Value, path: &Path) {
    names::validate_pool(errors, object::str_at(spec, "/pool/name").unwrap_or_default(), &path.child("name"));
    let slices = object::i64_at(spec, "/pool/resourceSliceCount").unwrap_or(0);
    if slices <= 0 {
        errors.push(field::invalid(&path.child("resourceSliceCount"), slices, "must be greater than zero"));
    }
    let generation = object::i64_at(spec, "/pool/generation").unwrap_or(0);
    if generation < 0 {
        let why = "must be greater than or equal to zero";
        errors.push(field::invalid(&path.child("generation"), generation, why));
    }
}

fn validate_devices(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let devices = list(spec, "devices");
    let most = if devices.iter().any(device::is_involved) { MOST_INVOLVED_DEVICES } else { MOST_DEVICES };
    let apart = object::bool_at(spec, "/perDeviceNodeSelection") == Some(true);
    each_once(errors, devices, most, path, name, &mut |errors, device, path| {
        device::validate(errors, device, apart, path);
    });
}

/// Counters of a set, or those of a set that a device uses. `member` names the set.
pub(super) fn validate_counters(errors: &mut ErrorList, set: &Value, member: &str, path: &Path) {
    match text(set, member) {
        "" => errors.push(field::required(&path.child(member), "")),
        name => names::validate_label(errors, name, &path.child(member)),
    }
    let (counters, path) = (set.get("counters"), path.child("counters"));
    if counters.and_then(Value::as_object).is_none_or(serde_json::Map::is_empty) {
        errors.push(field::required(&path, ""));
    }
    // Any amount will do.
    each_entry(errors, counters, MOST_COUNTERS, &path, names::validate_label, &mut |_, _, _| ());
}

//! CSIDrivers. Upstream: `pkg/registry/storage/csidriver`, `ValidateCSIDriver`, `printCSIDriver`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::GROUP;
use crate::cell;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::{immutable, one_of};

/// Seconds a token has to last at least, and may last at most.
const TOKEN_SECONDS: (i64, i64) = (600, 1 << 32);
/// Seconds between two looks at how many volumes a node takes, at least.
const UPDATE_SECONDS: i64 = 10;
const UNSET: &str = "<unset>";

pub(crate) struct CsiDriverStrategy;

impl Strategy for CsiDriverStrategy {
    fn names(&self) -> Names {
        Names::new(GROUP, ("CSIDriver", "CSIDriverList"), ("csidrivers", "csidriver"), "storage.v1.CSIDriver")
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let (mut errors, path) = (ErrorList::new(), Path::new("spec"));
        let policies = ["File", "None", "ReadWriteOnceWithFSType"];
        one_of(&mut errors, object, "/spec/fsGroupPolicy", &path.child("fsGroupPolicy"), &policies);
        validate_token_requests(&mut errors, object, &path.child("tokenRequests"));
        for mode in object::list_at(object, "/spec/volumeLifecycleModes").iter().filter_map(Value::as_str) {
            if !["Persistent", "Ephemeral"].contains(&mode) {
                let path = path.child("volumeLifecycleModes");
                errors.push(field::not_supported(&path, mode, &["Persistent", "Ephemeral"]));
            }
        }
        let period = object::i64_at(object, "/spec/nodeAllocatableUpdatePeriodSeconds");
        if let Some(period) = period.filter(|period| *period < UPDATE_SECONDS) {
            let path = path.child("nodeAllocatableUpdatePeriodSeconds");
            errors.push(field::invalid(&path, period, "must be greater than or equal to 10 seconds"));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        let path = Path::new("spec");
        // The path is misspelt upstream as well.
        immutable(&mut errors, object, old, "/spec/attachRequired", &path.child("attachedRequired"));
        immutable(&mut errors, object, old, "/spec/volumeLifecycleModes", &path.child("volumeLifecycleModes"));
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> Vec<Column> {
        let (text, flag) = (cell::text_column, |name, says| Column::new(name, "boolean", says));
        vec![
            Column::name(),
            flag("AttachRequired", "Whether a volume is attached to the node before it is mounted."),
            flag("PodInfoOnMount", "Whether the driver is told of the pod it mounts for."),
            flag("StorageCapacity", "Whether the scheduler heeds how much room the driver says there is."),
            text("TokenRequests", "Audiences of the tokens the driver is given."),
            flag("RequiresRepublish", "Whether the driver is called again for mounts that are there."),
            text("Modes", "Lives its volumes may have."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let flag = |name: &str| object::bool_at(object, &format!("/spec/{name}"));
        let modes = object::list_at(object, "/spec/volumeLifecycleModes").iter().filter_map(Value::as_str);
        let audiences = object::list_at(object, "/spec/tokenRequests").iter();
        let audiences = audiences.map(|request| object::str_at(request, "/audience").unwrap_or_default());
        vec![
            cell::name(object),
            flag("attachRequired").unwrap_or(true).into(),
            flag("podInfoOnMount").unwrap_or(false).into(),
            flag("storageCapacity").unwrap_or(false).into(),
            joined(audiences, UNSET).into(),
            flag("requiresRepublish").unwrap_or(false).into(),
            joined(modes, cell::NONE).into(),
            cell::age(object, now),
        ]
    }
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>, absent: &str) -> String {
    let joined = texts.collect::<Vec<_>>().join(",");
    if joined.is_empty() { absent.to_owned() } else { joined }
}

fn validate_token_requests(errors: &mut ErrorList, object: &Value, path: &Path) {
    let mut audiences = BTreeSet::new();
    for (index, request) in object::list_at(object, "/spec/tokenRequests").iter().enumerate() {
        let path = path.index(index);
        let audience = object::str_at(request, "/audience").unwrap_or_default();
        if !audiences.insert(audience) {
            errors.push(field::duplicate(&path.child("audience"), audience));
            continue;
        }
        let path = path.child("expirationSeconds");
        match object::i64_at(request, "/expirationSeconds") {
            Some(seconds) if seconds < TOKEN_SECONDS.0 => {
                errors.push(field::invalid(&path, seconds, "may not specify a duration less than 10 minutes"));
            }
            Some(seconds) if seconds > TOKEN_SECONDS.1 => {
                errors.push(field::invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds"));
            }
            _ => (),
        }
    }
}

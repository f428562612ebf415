//! ResourceClaims. Upstream: `pkg/registry/resource/resourceclaim`, `ValidateResourceClaim`, `printResourceClaim`.
//!
//! Not checked: whether the namespace allows administrative access to devices; that is admission's.

use jiff::Timestamp;
use sampan_meta::field::{ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::{GROUP, claim};
use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};
use crate::validation::immutable;

mod status;

pub(crate) struct ResourceClaimStrategy;

impl Strategy for ResourceClaimStrategy {
    fn names(&self) -> Names {
        let kind = ("ResourceClaim", "ResourceClaimList");
        Names::new(GROUP, kind, ("resourceclaims", "resourceclaim"), "resource.v1.ResourceClaim")
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let devices = object.pointer("/spec/devices").unwrap_or(&Value::Null);
        claim::validate(&mut errors, devices, &Path::new("spec").child("devices"));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        immutable(&mut errors, object, old, "/spec", &Path::new("spec"));
        errors
    }

    fn prepare_status_update(&self, _: &str, object: &mut Value, old: &Value) {
        status::drop_deallocated(object, old);
    }

    fn validate_status_update(&self, _: &str, object: &Value, old: &Value) -> ErrorList {
        status::validate(object, old)
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::text_column("State", "Whether it has its devices, and somebody uses them."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), state(object).into(), cell::age(object, now)]
    }
}

fn state(object: &Value) -> String {
    let deleted = object::deletion_timestamp(object).is_some();
    let allocated = object.pointer("/status/allocation").is_some_and(Value::is_object);
    let reserved = allocated && !object::list_at(object, "/status/reservedFor").is_empty();
    let states =
        [(deleted, "deleted"), (!allocated && !deleted, "pending"), (allocated, "allocated"), (reserved, "reserved")];
    let true_ones = states.iter().filter(|(holds, _)| *holds).map(|(_, state)| *state);
    true_ones.collect::<Vec<_>>().join(",")
}

//! Leases. Upstream: `pkg/registry/coordination/lease`, `ValidateLease`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::strategy::{Names, Strategy};

pub(crate) struct LeaseStrategy;

impl Strategy for LeaseStrategy {
    fn names(&self) -> Names {
        Names::new(("coordination.k8s.io", "v1"), ("Lease", "LeaseList"), ("leases", "lease"), "coordination.v1.Lease")
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        if let Some(seconds) = object::i64_at(object, "/spec/leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
            errors.push(field::invalid(&path.child("leaseDurationSeconds"), seconds, "must be greater than 0"));
        }
        crate::validation::not_negative(&mut errors, object, "/spec/leaseTransitions", &path.child("leaseTransitions"));
        errors
    }

    fn durable(&self) -> bool {
        false
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::text_column("Holder", "Who holds the lease."), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), cell::text(object, "/spec/holderIdentity", ""), cell::age(object, now)]
    }
}

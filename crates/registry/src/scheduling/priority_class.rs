//! PriorityClasses. Upstream: `pkg/registry/scheduling/priorityclass`, `ValidatePriorityClass`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::{immutable, one_of};

/// The highest value a user may choose. Upstream: `HighestUserDefinablePriority`.
const HIGHEST: i64 = 1_000_000_000;
const SYSTEM_PREFIX: &str = "system-";
const SYSTEM: [&str; 2] = ["system-cluster-critical", "system-node-critical"];

pub(crate) struct PriorityClassStrategy;

impl Strategy for PriorityClassStrategy {
    fn names(&self) -> Names {
        let kind = ("PriorityClass", "PriorityClassList");
        let names = Names::new(
            ("scheduling.k8s.io", "v1"),
            kind,
            ("priorityclasses", "priorityclass"),
            "scheduling.v1.PriorityClass",
        );
        names.short(&["pc"])
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (name, value) = (object::name(object), cell::number(object, "/value"));
        if name.starts_with(SYSTEM_PREFIX) {
            if !SYSTEM.contains(&name) {
                let why = "priority class names with 'system-' prefix are reserved for system use only. error: not a known system priority class";
                errors.push(field::forbidden(&Path::new("metadata").child("name"), why));
            }
        } else if value > HIGHEST {
            let why = format!("maximum allowed value of a user defined priority is {HIGHEST}");
            errors.push(field::forbidden(&Path::new("value"), why));
        }
        let policies = ["Never", "PreemptLowerPriority"];
        one_of(&mut errors, object, "/preemptionPolicy", &Path::new("preemptionPolicy"), &policies);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for name in ["value", "preemptionPolicy"] {
            let mut found = ErrorList::new();
            immutable(&mut found, object, old, &format!("/{name}"), &Path::new(name));
            errors.extend(
                found.into_iter().map(|_| field::forbidden(&Path::new(name), "may not be changed in an update.")),
            );
        }
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn spec_changed(&self, _: &Value, _: &Value) -> bool {
        false
    }

    fn keep_parsed(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::number_column("Value", "The priority its pods get."),
            Column::new("Global-Default", "boolean", "Whether pods that name no class get it."),
            cell::age_column(),
            cell::text_column("PreemptionPolicy", "Whether its pods push others out."),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![
            cell::name(object),
            cell::number(object, "/value").into(),
            object::bool_at(object, "/globalDefault").unwrap_or(false).into(),
            cell::age(object, now),
            cell::text(object, "/preemptionPolicy", "PreemptLowerPriority"),
        ]
    }
}

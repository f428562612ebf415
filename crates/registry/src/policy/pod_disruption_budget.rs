//! PodDisruptionBudgets. Upstream: `pkg/registry/policy/poddisruptionbudget`, `ValidatePodDisruptionBudget`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};
use crate::validation::{amount, counts, labels, one_of};

const COUNTS: [&str; 4] = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];

pub(crate) struct PodDisruptionBudgetStrategy;

impl Strategy for PodDisruptionBudgetStrategy {
    fn names(&self) -> Names {
        let kind = ("PodDisruptionBudget", "PodDisruptionBudgetList");
        let plural = ("poddisruptionbudgets", "poddisruptionbudget");
        Names::new(("policy", "v1"), kind, plural, "policy.v1.PodDisruptionBudget").short(&["pdb"])
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let given = |name: &str| spec.get(name).filter(|value| !value.is_null());
        if given("minAvailable").is_some() && given("maxUnavailable").is_some() {
            let why = "minAvailable and maxUnavailable cannot be both set";
            errors.push(field::invalid(&path, spec.clone(), why));
        }
        for name in ["minAvailable", "maxUnavailable"] {
            amount::validate(&mut errors, given(name), &path.child(name));
            amount::at_most_all(&mut errors, given(name), &path.child(name));
        }
        labels::validate_selector(&mut errors, given("selector"), &path.child("selector"));
        let policies = ["AlwaysAllow", "IfHealthyBudget"];
        let policy = path.child("unhealthyPodEvictionPolicy");
        one_of(&mut errors, spec, "/unhealthyPodEvictionPolicy", &policy, &policies);
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        counts::not_negative(&mut errors, object.get("status").unwrap_or(&Value::Null), &COUNTS, &Path::new("status"));
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::text_column("Min Available", "How many pods must stay available."),
            cell::text_column("Max Unavailable", "How many pods may be away."),
            cell::number_column("Allowed Disruptions", "How many pods may be evicted now."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let amount = |pointer| match object.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => "N/A".to_owned(),
        };
        vec![
            cell::name(object),
            amount("/spec/minAvailable").into(),
            amount("/spec/maxUnavailable").into(),
            object::i64_at(object, "/status/disruptionsAllowed").unwrap_or(0).into(),
            cell::age(object, now),
        ]
    }
}

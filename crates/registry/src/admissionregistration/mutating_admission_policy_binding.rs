//! MutatingAdmissionPolicyBindings: a policy put to use. Upstream:
//! `pkg/registry/admissionregistration/mutatingadmissionpolicybinding`, `validateMutatingAdmissionPolicyBinding`.

use jiff::Timestamp;
use sampan_meta::field::{ErrorList, Path};
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::{GROUP, matching, parameters};
use crate::strategy::{Names, Scope, Strategy};

pub(crate) struct MutatingAdmissionPolicyBindingStrategy;

impl Strategy for MutatingAdmissionPolicyBindingStrategy {
    fn names(&self) -> Names {
        let kind = ("MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBindingList");
        let names = ("mutatingadmissionpolicybindings", "mutatingadmissionpolicybinding");
        Names::new(GROUP, kind, names, "admissionregistration.v1.MutatingAdmissionPolicyBinding").in_api_extensions()
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let (mut errors, path) = (ErrorList::new(), Path::new("spec"));
        let spec = object.get("spec").unwrap_or(&Value::Null);
        parameters::validate_policy_name(&mut errors, spec, &path);
        parameters::validate_reference(&mut errors, spec, &path);
        // The path is misspelt upstream as well.
        matching::validate(&mut errors, spec.get("matchResources"), &path.child("matchResouces"));
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn keep_parsed(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        parameters::binding_columns()
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        parameters::binding_row(object, now)
    }
}

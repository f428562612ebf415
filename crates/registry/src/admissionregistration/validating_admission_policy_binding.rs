//! ValidatingAdmissionPolicyBindings: a policy put to use. Upstream:
//! `pkg/registry/admissionregistration/validatingadmissionpolicybinding`, `validateValidatingAdmissionPolicyBinding`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::{GROUP, matching, parameters};
use crate::strategy::{Names, Scope, Strategy};

pub(crate) struct ValidatingAdmissionPolicyBindingStrategy;

impl Strategy for ValidatingAdmissionPolicyBindingStrategy {
    fn names(&self) -> Names {
        let kind = ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicyBindingList");
        let names = ("validatingadmissionpolicybindings", "validatingadmissionpolicybinding");
        Names::new(GROUP, kind, names, "admissionregistration.v1.ValidatingAdmissionPolicyBinding").in_api_extensions()
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
        validate_actions(&mut errors, object, &path.child("validationActions"));
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

/// Denying says what warning would say.
fn validate_actions(errors: &mut ErrorList, object: &Value, path: &Path) {
    let actions: Vec<&str> =
        object::list_at(object, "/spec/validationActions").iter().filter_map(Value::as_str).collect();
    let mut seen = BTreeSet::new();
    for (index, action) in actions.iter().enumerate() {
        if !["Audit", "Deny", "Warn"].contains(action) {
            errors.push(field::not_supported(&path.index(index), *action, &["Audit", "Deny", "Warn"]));
        }
        if !seen.insert(*action) {
            errors.push(field::duplicate(&path.index(index), *action));
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.push(field::invalid(path, actions, why));
    }
    if seen.is_empty() {
        errors.push(field::required(path, "at least one validation action is required"));
    }
}

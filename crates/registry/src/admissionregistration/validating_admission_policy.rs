//! ValidatingAdmissionPolicies: rules for objects in expressions. Upstream:
//! `pkg/registry/admissionregistration/validatingadmissionpolicy`, `validateValidatingAdmissionPolicy`.

use jiff::Timestamp;
use sampan_cel::admission::Compiler;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::{FAILURE_POLICIES, GROUP, expressions, matching, parameters};
use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::one_of;

pub(crate) struct ValidatingAdmissionPolicyStrategy;

impl Strategy for ValidatingAdmissionPolicyStrategy {
    fn names(&self) -> Names {
        let kind = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyList");
        let names = ("validatingadmissionpolicies", "validatingadmissionpolicy");
        Names::new(GROUP, kind, names, "admissionregistration.v1.ValidatingAdmissionPolicy").in_api_extensions()
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate(object, true)
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let part = |value: &Value, name: &str| value.pointer(&format!("/spec/{name}")).cloned();
        let changed = ["paramKind", "matchConditions"].iter().any(|name| part(object, name) != part(old, name));
        validate(object, changed)
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for (index, warning) in object::list_at(object, "/status/typeChecking/expressionWarnings").iter().enumerate() {
            let path = Path::new("status").child("typeChecking").child("expressionWarnings").index(index);
            for name in ["warning", "fieldRef"] {
                if object::str_at(warning, &format!("/{name}")).is_none_or(|text| text.trim().is_empty()) {
                    errors.push(field::required(&path.child(name), ""));
                }
            }
        }
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
        vec![
            Column::name(),
            cell::number_column("Validations", "How many rules it has."),
            cell::text_column("ParamKind", "The kind of its parameters."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![
            cell::name(object),
            cell::count(object, "/spec/validations").into(),
            parameters::kind_cell(object),
            cell::age(object, now),
        ]
    }
}

fn validate(object: &Value, conditions: bool) -> ErrorList {
    let (mut errors, path) = (ErrorList::new(), Path::new("spec"));
    let spec = object.get("spec").unwrap_or(&Value::Null);
    validate_failure_policy(&mut errors, spec, &path.child("failurePolicy"));
    parameters::validate_kind(&mut errors, spec, &path);
    matching::validate_constraints(&mut errors, spec, &path);
    if conditions {
        expressions::validate_conditions(&mut errors, spec, &path);
    }
    let mut compiler = Compiler::new(spec.get("paramKind").is_some_and(Value::is_object));
    expressions::validate_variables(&mut errors, spec, &mut compiler, &path);
    expressions::validate_verdicts(&mut errors, object, &compiler, &path);
    errors
}

/// Also what a mutating policy has.
pub(super) fn validate_failure_policy(errors: &mut ErrorList, spec: &Value, path: &Path) {
    match object::str_at(spec, "/failurePolicy") {
        None => errors.push(field::required(path, "")),
        Some(_) => one_of(errors, spec, "/failurePolicy", path, &FAILURE_POLICIES),
    }
}

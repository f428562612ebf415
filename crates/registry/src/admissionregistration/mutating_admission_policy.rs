//! MutatingAdmissionPolicies: changes of objects in expressions. Upstream:
//! `pkg/registry/admissionregistration/mutatingadmissionpolicy`, `validateMutatingAdmissionPolicy`.

use jiff::Timestamp;
use sampan_cel::Type;
use sampan_cel::admission::Compiler;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::validating_admission_policy::validate_failure_policy;
use super::{GROUP, REINVOCATION_POLICIES, expressions, matching, parameters};
use crate::cell;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::one_of;

/// The kinds of patch, each with the member that holds it.
const PATCHES: [(&str, &str); 2] = [("ApplyConfiguration", "applyConfiguration"), ("JSONPatch", "jsonPatch")];

pub(crate) struct MutatingAdmissionPolicyStrategy;

impl Strategy for MutatingAdmissionPolicyStrategy {
    fn names(&self) -> Names {
        let kind = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyList");
        let names = ("mutatingadmissionpolicies", "mutatingadmissionpolicy");
        Names::new(GROUP, kind, names, "admissionregistration.v1.MutatingAdmissionPolicy").in_api_extensions()
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let (mut errors, path) = (ErrorList::new(), Path::new("spec"));
        let spec = object.get("spec").unwrap_or(&Value::Null);
        validate_failure_policy(&mut errors, spec, &path.child("failurePolicy"));
        parameters::validate_kind(&mut errors, spec, &path);
        matching::validate_constraints(&mut errors, spec, &path);
        expressions::validate_conditions(&mut errors, spec, &path);
        let mut compiler = Compiler::new(spec.get("paramKind").is_some_and(Value::is_object)).building();
        expressions::validate_variables(&mut errors, spec, &mut compiler, &path);
        validate_mutations(&mut errors, spec, &compiler, &path.child("mutations"));
        let path = path.child("reinvocationPolicy");
        match object::str_at(spec, "/reinvocationPolicy") {
            None => errors.push(field::required(&path, "")),
            Some(_) => one_of(&mut errors, spec, "/reinvocationPolicy", &path, &REINVOCATION_POLICIES),
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
            cell::number_column("Mutations", "How many changes it makes."),
            cell::text_column("ParamKind", "The kind of its parameters."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![
            cell::name(object),
            cell::count(object, "/spec/mutations").into(),
            parameters::kind_cell(object),
            cell::age(object, now),
        ]
    }
}

fn validate_mutations(errors: &mut ErrorList, spec: &Value, compiler: &Compiler, path: &Path) {
    let mutations = object::list_at(spec, "/mutations");
    if mutations.is_empty() {
        errors.push(field::required(path, "mutations must contain at least one item"));
    }
    for (index, mutation) in mutations.iter().enumerate() {
        validate_mutation(errors, mutation, compiler, &path.index(index));
    }
}

/// The patch of its type, and no other.
fn validate_mutation(errors: &mut ErrorList, mutation: &Value, compiler: &Compiler, path: &Path) {
    let path_of_type = path.child("patchType");
    let Some(type_) = object::str_at(mutation, "/patchType") else {
        errors.push(field::required(&path_of_type, ""));
        return;
    };
    if !PATCHES.iter().any(|(known, _)| *known == type_) {
        errors.push(field::not_supported(&path_of_type, type_, &PATCHES.map(|(known, _)| known)));
        return;
    }
    for (known, member) in PATCHES {
        match mutation.get(member).filter(|patch| patch.is_object()) {
            None if known == type_ => {
                let why = format!("must be specified when patchType is {type_}");
                errors.push(field::required(&path.child(member), why));
            }
            Some(_) if known != type_ => {
                let why = format!("must not be specified when patchType is {type_}");
                errors.push(field::invalid(&path.child(member), format!("{{{member}}}"), why));
            }
            Some(patch) => {
                let why = "expression is not specified";
                let (path, wanted) = (path.child(member), made(known));
                expressions::require(errors, patch, "expression", why, &path);
                expressions::compile(errors, patch, "expression", &path, &[wanted], compiler);
            }
            None => (),
        }
    }
}

/// What the expression of a patch comes to.
fn made(type_: &str) -> Type {
    match type_ {
        "JSONPatch" => Type::list(Type::object("JSONPatch", [])),
        _ => Type::object("Object", []),
    }
}

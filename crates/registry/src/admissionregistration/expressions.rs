//! Expressions and what names them. Upstream: `validateMatchConditions`, `validateVariable`, `validateValidation`,
//! `validateAuditAnnotation`, and whether they compile: `validateCELCondition` and its like.

use std::collections::BTreeSet;

use sampan_cel::admission::Compiler;
use sampan_cel::{Type, is_word};
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::qualified_name;
use serde_json::Value;

use crate::validation::{invalid_all, one_of};

const MOST_CONDITIONS: usize = 64;
const MOST_ANNOTATIONS: usize = 20;
/// Bytes of the expression that makes the value of an annotation.
const MAX_ANNOTATION: usize = 5 * 1024;
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];

fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// An expression that has to be there.
pub(super) fn require(errors: &mut ErrorList, object: &Value, member: &str, why: &str, path: &Path) {
    if text(object, member).trim().is_empty() {
        errors.push(field::required(&path.child(member), why));
    }
}

/// An expression, if it is there, has to be one and to come to one of these types.
pub(super) fn compile(
    errors: &mut ErrorList,
    object: &Value,
    member: &str,
    path: &Path,
    wanted: &[Type],
    compiler: &Compiler,
) {
    let expression = text(object, member);
    if expression.trim().is_empty() {
        return;
    }
    // Messages are made for whoever may read them: they must not ask who may do what.
    let authorizer = member != "messageExpression";
    if let Err(why) = compiler.compile(expression, authorizer, wanted) {
        errors.push(field::invalid(&path.child(member), expression, why));
    }
}

/// `matchConditions` of a webhook or a policy.
pub(super) fn validate_conditions(errors: &mut ErrorList, owner: &Value, path: &Path) {
    let compiler = Compiler::new(owner.get("paramKind").is_some_and(Value::is_object));
    let (conditions, path) = (object::list_at(owner, "/matchConditions"), path.child("matchConditions"));
    if conditions.len() > MOST_CONDITIONS {
        errors.push(field::too_many(&path, conditions.len(), MOST_CONDITIONS));
    }
    let mut names = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        require(errors, condition, "expression", "", &path);
        compile(errors, condition, "expression", &path, &[Type::Bool], &compiler);
        let (name, path) = (text(condition, "name"), path.child("name"));
        if name.is_empty() {
            errors.push(field::required(&path, ""));
            continue;
        }
        invalid_all(errors, &path, name, qualified_name(name));
        if !names.insert(name) {
            errors.push(field::duplicate(&path, name));
        }
    }
}

/// `variables` of a policy; the compiler knows them from then on.
pub(super) fn validate_variables(errors: &mut ErrorList, spec: &Value, compiler: &mut Compiler, path: &Path) {
    for (index, variable) in object::list_at(spec, "/variables").iter().enumerate() {
        let path = path.child("variables").index(index);
        let name = text(variable, "name");
        if name.trim().is_empty() {
            errors.push(field::required(&path.child("name"), "name is not specified"));
        } else if !is_identifier(name) {
            errors.push(field::invalid(&path.child("name"), name, "name is not a valid CEL identifier"));
        }
        require(errors, variable, "expression", "expression is not specified", &path);
        let expression = text(variable, "expression");
        if let Err(why) = compiler.variable(name, expression)
            && !expression.trim().is_empty()
        {
            errors.push(field::invalid(&path.child("expression"), expression, why));
        }
    }
}

fn is_identifier(name: &str) -> bool {
    let letter = |first: char| first.is_ascii_alphabetic() || first == '_';
    name.starts_with(letter) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !is_word(name)
}

/// `validations` and `auditAnnotations` of a policy, of which there has to be one.
pub(super) fn validate_verdicts(errors: &mut ErrorList, policy: &Value, compiler: &Compiler, path: &Path) {
    let validations = object::list_at(policy, "/spec/validations");
    let annotations = object::list_at(policy, "/spec/auditAnnotations");
    if validations.is_empty() && annotations.is_empty() {
        let why = "validations or auditAnnotations must contain at least one item";
        errors.push(field::required(&path.child("validations"), why));
        errors.push(field::required(&path.child("auditAnnotations"), why));
    }
    for (index, validation) in validations.iter().enumerate() {
        let path = path.child("validations").index(index);
        validate_validation(errors, validation, &path);
        compile(errors, validation, "expression", &path, &[Type::Bool], compiler);
        compile(errors, validation, "messageExpression", &path, &[Type::String], compiler);
    }
    let path = path.child("auditAnnotations");
    if annotations.len() > MOST_ANNOTATIONS {
        let why = format!("must not have more than {MOST_ANNOTATIONS} auditAnnotations");
        errors.push(field::invalid(&path, annotations.to_vec(), why));
    }
    let mut keys = BTreeSet::new();
    for (index, annotation) in annotations.iter().enumerate() {
        let path = path.index(index);
        validate_annotation(errors, annotation, object::name(policy), &path);
        compile(errors, annotation, "valueExpression", &path, &[Type::String, Type::Null], compiler);
        if !keys.insert(text(annotation, "key")) {
            errors.push(field::duplicate(&path.child("key"), text(annotation, "key")));
        }
    }
}

fn validate_validation(errors: &mut ErrorList, validation: &Value, path: &Path) {
    require(errors, validation, "expression", "expression is not specified", path);
    let expression = text(validation, "messageExpression");
    if !expression.is_empty() && expression.trim().is_empty() {
        let why = "must be non-empty if specified";
        errors.push(field::invalid(&path.child("messageExpression"), expression, why));
    }
    let (message, path_of_message) = (text(validation, "message"), path.child("message"));
    if !message.is_empty() && message.trim().is_empty() {
        errors.push(field::invalid(&path_of_message, message, "message must be non-empty if specified"));
    } else if message.trim().contains(['\n', '\r']) {
        errors.push(field::invalid(&path_of_message, message, "message must not contain line breaks"));
    }
    one_of(errors, validation, "/reason", &path.child("reason"), &REASONS);
}

fn validate_annotation(errors: &mut ErrorList, annotation: &Value, policy: &str, path: &Path) {
    let (key, path_of_key) = (text(annotation, "key"), path.child("key"));
    if policy.is_empty() {
        errors.push(field::invalid(&path_of_key, key, "requires metadata.name be non-empty"));
    } else {
        let name = format!("{policy}/{key}");
        invalid_all(errors, &path_of_key, &name, qualified_name(&name));
    }
    require(errors, annotation, "valueExpression", "valueExpression is not specified", path);
    if text(annotation, "valueExpression").trim().len() > MAX_ANNOTATION {
        let why = format!("must not exceed {MAX_ANNOTATION} bytes in length");
        errors.push(field::required(&path.child("valueExpression"), why));
    }
}

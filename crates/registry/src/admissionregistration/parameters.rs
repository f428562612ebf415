//! What a policy is told of besides the request. Upstream: `validateParamKind`, `validateParamRef`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::{dns1035_label, dns1123_subdomain};
use serde_json::Value;

use crate::cell;
use crate::validation::{NameRule, invalid_all, labels};

const UNSET: &str = "<unset>";

/// The kind of the parameters, if there are any.
pub(super) fn validate_kind(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let Some(kind) = spec.get("paramKind").filter(|kind| kind.is_object()) else { return };
    let path = path.child("paramKind");
    validate_api_version(errors, object::str_at(kind, "/apiVersion"), &path.child("apiVersion"));
    match object::str_at(kind, "/kind") {
        None => errors.push(field::required(&path.child("kind"), "")),
        Some(name) => {
            let wrong = dns1035_label(&name.to_lowercase());
            if !wrong.is_empty() {
                let why = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                errors.push(field::invalid(&path.child("kind"), name, why));
            }
        }
    }
}

fn validate_api_version(errors: &mut ErrorList, given: Option<&str>, path: &Path) {
    let Some(given) = given else {
        errors.push(field::required(path, ""));
        return;
    };
    let (group, version) = match given.matches('/').count() {
        0 => ("", given),
        1 => given.split_once('/').unwrap_or_default(),
        _ => {
            errors.push(field::invalid(path, given, format!("unexpected GroupVersion string: {given}")));
            return;
        }
    };
    let joined = |errors: &mut ErrorList, value: &str, wrong: Vec<String>| {
        if !wrong.is_empty() {
            errors.push(field::invalid(path, value, wrong.join(",")));
        }
    };
    if !group.is_empty() {
        joined(errors, group, dns1123_subdomain(group));
    }
    match version {
        "" => errors.push(field::invalid(path, given, "version must be specified")),
        version => joined(errors, version, dns1035_label(version)),
    }
}

/// Which parameters a binding takes: one by name, or all that a selector finds.
pub(super) fn validate_reference(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let Some(reference) = spec.get("paramRef").filter(|reference| reference.is_object()) else { return };
    let path = path.child("paramRef");
    let exclusive = "name and selector are mutually exclusive";
    let name = object::str_at(reference, "/name");
    let selector = reference.get("selector").filter(|selector| selector.is_object());
    if let Some(name) = name {
        invalid_all(errors, &path.child("name"), name, NameRule::PathSegment.check(name));
        if selector.is_some() {
            errors.push(field::forbidden(&path.child("name"), exclusive));
        }
    }
    if selector.is_some() {
        labels::validate_selector(errors, selector, &path.child("selector"));
        if name.is_some() {
            errors.push(field::forbidden(&path.child("selector"), exclusive));
        }
    }
    if name.is_none() && selector.is_none() {
        errors.push(field::required(&path, "one of name or selector must be specified"));
    }
    let path = path.child("parameterNotFoundAction");
    match object::str_at(reference, "/parameterNotFoundAction") {
        None => errors.push(field::required(&path, "")),
        Some("Deny" | "Allow") => (),
        Some(other) => errors.push(field::not_supported(&path, other, &["Deny", "Allow"])),
    }
}

/// The policy a binding puts to use.
pub(super) fn validate_policy_name(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let path = path.child("policyName");
    match object::str_at(spec, "/policyName") {
        None => errors.push(field::required(&path, "")),
        Some(name) => invalid_all(errors, &path, name, dns1123_subdomain(name)),
    }
}

/// `v1/ConfigMap`, as the tables of policies show it.
pub(super) fn kind_cell(object: &Value) -> Cell {
    match object.pointer("/spec/paramKind").filter(|kind| kind.is_object()) {
        Some(kind) => {
            let text = |name: &str| object::str_at(kind, name).unwrap_or_default();
            format!("{}/{}", text("/apiVersion"), text("/kind")).into()
        }
        None => UNSET.into(),
    }
}

/// The columns of both kinds of binding.
pub(super) fn binding_columns() -> Vec<Column> {
    vec![
        Column::name(),
        cell::text_column("PolicyName", "The policy it puts to use."),
        cell::text_column("ParamRef", "The parameters the policy is given."),
        cell::age_column(),
    ]
}

/// The row of a binding.
pub(super) fn binding_row(object: &Value, now: Timestamp) -> Vec<Cell> {
    let text = |name: &str| object::str_at(object, &format!("/spec/paramRef/{name}"));
    let parameters = match (text("namespace"), text("name")) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        (None, Some(name)) => name.to_owned(),
        _ if object.pointer("/spec/paramRef/selector").is_some() => cell::selector(object, "/spec/paramRef/selector"),
        _ => UNSET.to_owned(),
    };
    vec![cell::name(object), cell::text(object, "/spec/policyName", ""), parameters.into(), cell::age(object, now)]
}

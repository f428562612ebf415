//! Who asks for what. Upstream: `ValidateFlowSchemaPolicyRulesWithSubjects`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{dns1123_label, dns1123_subdomain};
use serde_json::Value;

use crate::validation::invalid_all;

const ALL: &str = "*";
const VERBS: [&str; 9] = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
/// The member that names a subject of a kind, the kind, and what it is called in messages.
const SUBJECTS: [(&str, &str); 3] = [("serviceAccount", "ServiceAccount"), ("user", "User"), ("group", "Group")];

pub(super) fn validate(errors: &mut ErrorList, rule: &Value, path: &Path) {
    let subjects = object::list_at(rule, "/subjects");
    if subjects.is_empty() {
        errors.push(field::required(&path.child("subjects"), "subjects must contain at least one value"));
    }
    for (index, subject) in subjects.iter().enumerate() {
        validate_subject(errors, subject, &path.child("subjects").index(index));
    }
    let (resources, others) = (object::list_at(rule, "/resourceRules"), object::list_at(rule, "/nonResourceRules"));
    if resources.is_empty() && others.is_empty() {
        let why = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.push(field::required(path, why));
    }
    for (index, rule) in resources.iter().enumerate() {
        validate_resource_rule(errors, rule, &path.child("resourceRules").index(index));
    }
    for (index, rule) in others.iter().enumerate() {
        validate_path_rule(errors, rule, &path.child("nonResourceRules").index(index));
    }
}

fn validate_subject(errors: &mut ErrorList, subject: &Value, path: &Path) {
    let kind = object::str_at(subject, "/kind").unwrap_or_default();
    if !SUBJECTS.iter().any(|(_, known)| *known == kind) {
        errors.push(field::not_supported(&path.child("kind"), kind, &["Group", "ServiceAccount", "User"]));
        return;
    }
    for (member, of_kind) in SUBJECTS {
        let (path, given) = (path.child(member), subject.get(member).filter(|given| given.is_object()));
        match given {
            Some(_) if of_kind != kind => {
                let why = format!("{member} is forbidden when subject kind is not '{of_kind}'");
                errors.push(field::forbidden(&path, why));
            }
            None if of_kind == kind => {
                let why = format!("{member} is required when subject kind is '{of_kind}'");
                errors.push(field::required(&path, why));
            }
            Some(given) => validate_named(errors, given, member == "serviceAccount", &path),
            None => (),
        }
    }
}

fn validate_named(errors: &mut ErrorList, subject: &Value, account: bool, path: &Path) {
    match object::str_at(subject, "/name") {
        None => errors.push(field::required(&path.child("name"), "")),
        Some(name) if account && name != ALL => {
            invalid_all(errors, &path.child("name"), name, dns1123_subdomain(name));
        }
        Some(_) => (),
    }
    if !account {
        return;
    }
    match object::str_at(subject, "/namespace") {
        None => {
            let why = "must specify namespace for service account";
            errors.push(field::required(&path.child("namespace"), why));
        }
        Some(name) => invalid_all(errors, &path.child("namespace"), name, dns1123_label(name)),
    }
}

fn texts<'a>(rule: &'a Value, member: &str) -> Vec<&'a str> {
    object::list_at(rule, &format!("/{member}")).iter().filter_map(Value::as_str).collect()
}

/// `*` stands alone.
fn validate_alone(errors: &mut ErrorList, given: &[&str], what: &str, path: &Path) {
    if given.len() > 1 && given.contains(&ALL) {
        let why = format!("if '*' is present, must not specify other {what}");
        errors.push(field::invalid(path, given.to_vec(), why));
    }
}

fn validate_verbs(errors: &mut ErrorList, rule: &Value, path: &Path) {
    let (verbs, path) = (texts(rule, "verbs"), path.child("verbs"));
    if verbs.is_empty() {
        errors.push(field::required(&path, "verbs must contain at least one value"));
    }
    validate_alone(errors, &verbs, "verbs", &path);
    if !verbs.contains(&ALL) && verbs.iter().any(|verb| !VERBS.contains(verb)) {
        errors.push(field::not_supported(&path, verbs, &VERBS));
    }
}

fn validate_resource_rule(errors: &mut ErrorList, rule: &Value, path: &Path) {
    validate_verbs(errors, rule, path);
    for (member, one, many) in [("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")] {
        let (given, path) = (texts(rule, member), path.child(member));
        if given.is_empty() {
            errors.push(field::required(&path, format!("resource rules must supply at least one {one}")));
        }
        validate_alone(errors, &given, many, &path);
    }
    let (namespaces, path) = (texts(rule, "namespaces"), path.child("namespaces"));
    if namespaces.is_empty() && object::bool_at(rule, "/clusterScope") != Some(true) {
        let why = "resource rules that are not cluster scoped must supply at least one namespace";
        errors.push(field::required(&path, why));
    }
    validate_alone(errors, &namespaces, "namespaces", &path);
    if namespaces.contains(&ALL) {
        return;
    }
    for (index, name) in namespaces.iter().enumerate() {
        let said = |message| format!("each member of this list must be '*' or a DNS-1123 label; {message}");
        invalid_all(errors, &path.index(index), name, dns1123_label(name).into_iter().map(said).collect());
    }
}

fn validate_path_rule(errors: &mut ErrorList, rule: &Value, path: &Path) {
    validate_verbs(errors, rule, path);
    let (paths, path) = (texts(rule, "nonResourceURLs"), path.child("nonResourceURLs"));
    if paths.is_empty() {
        errors.push(field::required(&path, "nonResourceURLs must contain at least one value"));
    }
    validate_alone(errors, &paths, "non-resource URLs", &path);
    if paths.contains(&ALL) {
        return;
    }
    for (index, given) in paths.iter().enumerate() {
        if let Some(why) = wrong_path(given) {
            errors.push(field::invalid(&path.index(index), *given, why));
        }
    }
}

/// Upstream: `ValidateNonResourceURLPath`.
fn wrong_path(given: &str) -> Option<&'static str> {
    match given {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !given.starts_with('/') => Some("must start with slash"),
        _ if given.contains(' ') => Some("must not contain white-space"),
        _ if given.contains("//") => Some("must not contain double slash"),
        _ => match given.matches('*').count() {
            0 => None,
            1 if given.ends_with("/*") => None,
            _ => Some("wildcard can only do suffix matching"),
        },
    }
}

//! Whom a binding names and what it gives them. Upstream: `ValidateRoleBinding`, `printRoleBinding`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::validation::immutable;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn validate(object: &Value, roles: &[&str]) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("roleRef");
    let text = |pointer| object::str_at(object, pointer).unwrap_or_default();
    if text("/roleRef/apiGroup") != GROUP {
        errors.push(field::not_supported(&path.child("apiGroup"), text("/roleRef/apiGroup"), &[GROUP]));
    }
    if !roles.contains(&text("/roleRef/kind")) {
        errors.push(field::not_supported(&path.child("kind"), text("/roleRef/kind"), roles));
    }
    if text("/roleRef/name").is_empty() {
        errors.push(field::required(&path.child("name"), ""));
    }
    for (index, subject) in object::list_at(object, "/subjects").iter().enumerate() {
        validate_subject(&mut errors, subject, &Path::new("subjects").index(index));
    }
    errors
}

fn validate_subject(errors: &mut ErrorList, subject: &Value, path: &Path) {
    let text = |pointer| object::str_at(subject, pointer).unwrap_or_default();
    if text("/name").is_empty() {
        errors.push(field::required(&path.child("name"), ""));
    }
    let group = match text("/kind") {
        "ServiceAccount" => {
            if text("/namespace").is_empty() {
                errors.push(field::required(&path.child("namespace"), ""));
            }
            ""
        }
        "User" | "Group" => GROUP,
        other => {
            errors.push(field::not_supported(&path.child("kind"), other, &["ServiceAccount", "User", "Group"]));
            return;
        }
    };
    if text("/apiGroup") != group {
        errors.push(field::not_supported(&path.child("apiGroup"), text("/apiGroup"), &[group]));
    }
}

pub(super) fn validate_update(object: &Value, old: &Value, roles: &[&str]) -> ErrorList {
    let mut errors = validate(object, roles);
    let mut changed = ErrorList::new();
    immutable(&mut changed, object, old, "/roleRef", &Path::new("roleRef"));
    errors
        .extend(changed.into_iter().map(|error| field::Error { detail: "cannot change roleRef".to_owned(), ..error }));
    errors
}

pub(super) fn columns() -> Vec<Column> {
    let text = cell::text_column;
    vec![
        Column::name(),
        text("Role", "What it gives."),
        cell::age_column(),
        text("Users", "Users it gives it to.").wide(),
        text("Groups", "Groups it gives it to.").wide(),
        text("ServiceAccounts", "Service accounts it gives it to.").wide(),
    ]
}

pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Cell> {
    let text = |pointer| object::str_at(object, pointer).unwrap_or_default();
    vec![
        cell::name(object),
        format!("{}/{}", text("/roleRef/kind"), text("/roleRef/name")).into(),
        cell::age(object, now),
        named(object, "User").into(),
        named(object, "Group").into(),
        named(object, "ServiceAccount").into(),
    ]
}

fn named(object: &Value, kind: &str) -> String {
    let subjects = object::list_at(object, "/subjects").iter();
    let of_kind = subjects.filter(|subject| object::str_at(subject, "/kind") == Some(kind));
    let name = |subject: &Value| {
        let text = |pointer| object::str_at(subject, pointer).unwrap_or_default();
        if kind == "ServiceAccount" {
            format!("{}/{}", text("/namespace"), text("/name"))
        } else {
            text("/name").to_owned()
        }
    };
    of_kind.map(name).collect::<Vec<_>>().join(", ")
}

//! Bringing a role or binding that exists up to what this version expects (upstream's
//! `component-helpers/auth/rbac/reconciliation`): what is missing is added, what somebody added stays.

use sampan_meta::object;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::authz::Rule;

const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// What to do with one object of the bootstrap policy.
#[derive(Clone, Debug, PartialEq)]
pub enum Reconciled {
    /// Nothing.
    Unchanged,
    /// Create it.
    Create(Value),
    /// Replace it (the value carries the existing object's resourceVersion).
    Update(Value),
    /// Delete it and create this one: what a binding refers to cannot be changed.
    Recreate(Value),
}

/// Compares what exists with what is expected. Whoever sets the annotation `rbac.authorization.kubernetes.io/autoupdate` to
/// `false` keeps an object as it is.
pub fn reconcile(existing: Option<&Value>, expected: &Value) -> Reconciled {
    let Some(existing) = existing else { return Reconciled::Create(expected.clone()) };
    if object::annotation(existing, AUTOUPDATE) == Some("false") {
        return Reconciled::Unchanged;
    }
    let changed = match object::kind(expected) {
        "Role" | "ClusterRole" => role(existing, expected),
        "RoleBinding" | "ClusterRoleBinding" if existing.get("roleRef") != expected.get("roleRef") => {
            return Reconciled::Recreate(expected.clone());
        }
        "RoleBinding" | "ClusterRoleBinding" => binding(existing, expected),
        // Namespaces and priority classes belong to the people of the cluster once they are there.
        _ => return Reconciled::Unchanged,
    };
    if changed == *existing { Reconciled::Unchanged } else { Reconciled::Update(changed) }
}

fn role(existing: &Value, expected: &Value) -> Value {
    let mut role = with_metadata(existing, expected);
    match expected.get("aggregationRule") {
        // The rules follow from other roles: see `aggregated`.
        Some(aggregation) => add_missing(&mut role, aggregation, "aggregationRule", "clusterRoleSelectors"),
        None => {
            let missing = Rule::uncovered(&Rule::of_role(existing), &Rule::of_role(expected));
            // Rules are added as they are written, not in the pieces they were compared in.
            let is_missing = |rule: &&Value| {
                let rule = [Rule::deserialize(*rule).unwrap_or_default()];
                missing.iter().any(|piece| Rule::uncovered(&rule, std::slice::from_ref(piece)).is_empty())
            };
            let added: Vec<Value> = object::list_at(expected, "/rules").iter().filter(is_missing).cloned().collect();
            append(&mut role["rules"], added);
        }
    }
    role
}

fn binding(existing: &Value, expected: &Value) -> Value {
    let mut binding = with_metadata(existing, expected);
    let known = object::list_at(existing, "/subjects");
    let missing = object::list_at(expected, "/subjects").iter().filter(|subject| !known.contains(subject));
    append(&mut binding["subjects"], missing.cloned().collect());
    binding
}

fn add_missing(role: &mut Value, expected: &Value, outer: &str, inner: &str) {
    let known = role.get(outer).and_then(|rule| rule.get(inner)).and_then(Value::as_array).cloned().unwrap_or_default();
    let wanted = expected.get(inner).and_then(Value::as_array).cloned().unwrap_or_default();
    let missing: Vec<Value> = wanted.into_iter().filter(|selector| !known.contains(selector)).collect();
    if !missing.is_empty() {
        append(&mut object::child(role, outer)[inner], missing);
    }
}

fn append(list: &mut Value, items: Vec<Value>) {
    if items.is_empty() {
        return;
    }
    match list.as_array_mut() {
        Some(list) => list.extend(items),
        None => *list = json!(items),
    }
}

/// The existing object with the labels and annotations expected of it.
fn with_metadata(existing: &Value, expected: &Value) -> Value {
    let mut object = existing.clone();
    for (key, value) in object::labels(expected).into_iter().flatten() {
        object::set_label(&mut object, key, value.as_str().unwrap_or_default());
    }
    for (key, value) in object::annotations(expected).into_iter().flatten() {
        object::set_annotation(&mut object, key, value.as_str().unwrap_or_default());
    }
    object
}

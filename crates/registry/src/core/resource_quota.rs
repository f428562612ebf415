//! ResourceQuotas. Upstream: `pkg/registry/core/resourcequota`, `ValidateResourceQuota`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};
use crate::validation::resources;

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];
/// What can be counted of some pods only. Upstream: `IsResourceQuotaScopeValidForResource`.
const OF_PODS: [&str; 8] =
    ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory", "pods", "ephemeral-storage"];
const OPPOSITES: [(&str, &str); 2] = [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")];

pub(crate) struct ResourceQuotaStrategy;

impl Strategy for ResourceQuotaStrategy {
    fn names(&self) -> Names {
        let kind = ("ResourceQuota", "ResourceQuotaList");
        Names::new(("", "v1"), kind, ("resourcequotas", "resourcequota"), "core.v1.ResourceQuota").short(&["quota"])
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (spec, path) = (object.get("spec").unwrap_or(&Value::Null), Path::new("spec"));
        validate_amounts(&mut errors, spec, "hard", &path);
        validate_scopes(&mut errors, spec, &path.child("scopes"));
        validate_selector(&mut errors, spec, &path.child("scopeSelector").child("matchExpressions"));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        if scopes(object) != scopes(old) {
            let shown = object.pointer("/spec/scopes").cloned().unwrap_or(Value::Null);
            errors.push(field::immutable(&Path::new("spec").child("scopes"), shown));
        }
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let status = object.get("status").unwrap_or(&Value::Null);
        for member in ["hard", "used"] {
            validate_amounts(&mut errors, status, member, &Path::new("status"));
        }
        errors
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::text_column("Request", "What is used of what may be asked for."),
            cell::text_column("Limit", "What is used of what may be the limit."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let shown = |limits: bool| {
            let hard = resources::entries(object.get("status").unwrap_or(&Value::Null), "hard");
            let hard = hard.filter(|(name, _)| name.starts_with("limits.") == limits);
            let entries = hard.map(|(name, hard)| {
                let used = object::get(object, &["status", "used", name]).and_then(Value::as_str).unwrap_or("0");
                format!("{name}: {used}/{}", hard.as_str().unwrap_or_default())
            });
            entries.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
        };
        vec![cell::name(object), shown(false).into(), shown(true).into(), cell::age(object, now)]
    }
}

fn scopes(object: &Value) -> BTreeSet<&str> {
    object::list_at(object, "/spec/scopes").iter().filter_map(Value::as_str).collect()
}

fn validate_amounts(errors: &mut ErrorList, part: &Value, member: &str, path: &Path) {
    for (name, value) in resources::entries(part, member) {
        let path = path.child(member).key(name);
        resources::quota_name(errors, name, &path);
        resources::amount(errors, name, value, &path);
    }
}

/// Upstream: `validateResourceQuotaScopes`.
fn validate_scopes(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let scopes: BTreeSet<&str> = object::list_at(spec, "/scopes").iter().filter_map(Value::as_str).collect();
    let shown = spec.get("scopes").cloned().unwrap_or(Value::Null);
    for scope in object::list_at(spec, "/scopes").iter().filter_map(Value::as_str) {
        if !SCOPES.contains(&scope) {
            errors.push(field::invalid(path, shown.clone(), "unsupported scope"));
        }
        for (name, _) in resources::entries(spec, "hard") {
            if resources::is_of_quotas(name) && !applies(scope, name) {
                errors.push(field::invalid(path, shown.clone(), "unsupported scope applied to resource"));
            }
        }
    }
    for (one, other) in OPPOSITES {
        if scopes.contains(one) && scopes.contains(other) {
            errors.push(field::invalid(path, shown.clone(), "conflicting scopes"));
        }
    }
}

/// Whether a scope can be said of what is counted.
fn applies(scope: &str, name: &str) -> bool {
    match scope {
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => OF_PODS.contains(&name) || name.starts_with("requests.hugepages-") || name.starts_with("hugepages-"),
    }
}

/// Upstream: `validateScopedResourceSelectorRequirement`.
fn validate_selector(errors: &mut ErrorList, spec: &Value, path: &Path) {
    // Upstream names the list in its errors, not the element.
    for expression in object::list_at(spec, "/scopeSelector/matchExpressions") {
        let text = |name: &str| object::str_at(expression, &format!("/{name}")).unwrap_or_default();
        let (scope, operator) = (text("scopeName"), text("operator"));
        if !SCOPES.contains(&scope) {
            errors.push(field::invalid(&path.child("scopeName"), scope, "unsupported scope"));
        }
        for (name, _) in resources::entries(spec, "hard") {
            if resources::is_of_quotas(name) && !applies(scope, name) {
                let shown = spec.get("scopeSelector").cloned().unwrap_or(Value::Null);
                errors.push(field::invalid(path, shown, "unsupported scope applied to resource"));
            }
        }
        let whole = !matches!(scope, "PriorityClass" | "VolumeAttributesClass");
        if whole && SCOPES.contains(&scope) && operator != "Exists" {
            let why = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, \
                       ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.push(field::invalid(&path.child("operator"), operator, why));
        }
        validate_operator(errors, operator, object::list_at(expression, "/values"), path);
    }
}

fn validate_operator(errors: &mut ErrorList, operator: &str, values: &[Value], path: &Path) {
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            errors.push(field::required(&path.child("values"), why));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
            errors.push(field::invalid(&path.child("values"), values.to_vec(), why));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => (),
        other => errors.push(field::invalid(&path.child("operator"), other, "not a valid selector operator")),
    }
}

//! Which objects a quota is about (upstream's `pkg/quota/v1/evaluator/core`: `podMatchesScopeFunc`, `pvcMatchesScopeFunc`).

use sampan_meta::{GroupResource, object};
use serde_json::{Value, json};

use crate::amounts::is_best_effort;

/// Whether the object is in every scope of the quota.
pub fn is_in_scope(quota: &Value, resource: &GroupResource, object: &Value) -> bool {
    let plain = object::list_at(quota, "/spec/scopes").iter();
    let plain = plain.map(|scope| json!({"scopeName": scope, "operator": "Exists"}));
    let selected = object::list_at(quota, "/spec/scopeSelector/matchExpressions").iter().cloned();
    let mut scopes = plain.chain(selected);
    match (resource.group.as_str(), resource.resource.as_str()) {
        ("", "pods") => scopes.all(|scope| matches_pod(&scope, object)),
        ("", "persistentvolumeclaims") => scopes.all(|scope| matches_claim(&scope, object)),
        _ => scopes.next().is_none(),
    }
}

fn matches_pod(scope: &Value, pod: &Value) -> bool {
    let ends = object::i64_at(pod, "/spec/activeDeadlineSeconds").is_some_and(|seconds| seconds >= 0);
    match object::str_at(scope, "/scopeName").unwrap_or_default() {
        "Terminating" => ends,
        "NotTerminating" => !ends,
        "BestEffort" => is_best_effort(pod),
        "NotBestEffort" => !is_best_effort(pod),
        "PriorityClass" => matches_name(scope, object::str_at(pod, "/spec/priorityClassName")),
        "CrossNamespacePodAffinity" => looks_elsewhere(pod),
        _ => false,
    }
}

fn matches_claim(scope: &Value, claim: &Value) -> bool {
    match object::str_at(scope, "/scopeName") {
        Some("VolumeAttributesClass") => {
            let names = ["/spec/volumeAttributesClassName", "/status/currentVolumeAttributesClassName"];
            names.iter().any(|pointer| matches_name(scope, object::str_at(claim, pointer)))
        }
        _ => false,
    }
}

fn matches_name(scope: &Value, name: Option<&str>) -> bool {
    let listed = || {
        let values = object::list_at(scope, "/values");
        name.is_some_and(|name| values.iter().any(|value| value.as_str() == Some(name)))
    };
    match object::str_at(scope, "/operator").unwrap_or_default() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => name.is_some(),
        "DoesNotExist" => name.is_none(),
        _ => false,
    }
}

/// Whether the pod wants to be near to, or far from, pods of other namespaces.
fn looks_elsewhere(pod: &Value) -> bool {
    let kinds = ["podAffinity", "podAntiAffinity"];
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    kinds.iter().any(|kind| {
        let terms = |list: &str| object::list_at(pod, &format!("/spec/affinity/{kind}/{list}"));
        let elsewhere = |term: &Value| {
            !object::list_at(term, "/namespaces").is_empty()
                || term.get("namespaceSelector").is_some_and(Value::is_object)
        };
        terms(required).iter().any(elsewhere)
            || terms(preferred).iter().filter_map(|weighted| weighted.get("podAffinityTerm")).any(elsewhere)
    })
}

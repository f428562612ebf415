//! What a write adds to what quotas count, and what it has to say for that.

use std::collections::{BTreeMap, BTreeSet};

use sampan_api::amounts::{Amounts, amounts_at};
use sampan_api::quota::usage;
use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{Quantity, object};
use serde_json::Value;

use super::may_add;

/// What the write adds to what is used; `None` when it adds nothing.
pub(super) fn added(request: &AdmissionRequest<'_>, object: &Value) -> Option<Amounts> {
    if !may_add(request) {
        return None;
    }
    let resource = request.attributes.group_resource();
    let mut added = usage(&resource, object);
    if let Some(old) = request.old.filter(|_| request.operation == Operation::Update) {
        for (name, before) in usage(&resource, old) {
            if let Some(now) = added.get_mut(&name) {
                *now = (*now - before).max(Quantity::ZERO);
            }
        }
    }
    added.retain(|_, amount| !amount.is_zero());
    (!added.is_empty()).then_some(added)
}

/// What every container of a pod has to say where a quota counts it, if one does not: `must specify cpu for: web`.
pub(super) fn unsaid(request: &AdmissionRequest<'_>, pod: &Value, concerned: &[&str]) -> Option<String> {
    if !request.attributes.group.is_empty() || request.attributes.resource != "pods" {
        return None;
    }
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for name in concerned {
        let (list, resource) = match name.split_once('.') {
            Some((list @ ("requests" | "limits"), resource)) => (list, resource),
            Some(_) => continue,
            None => ("requests", *name),
        };
        if !["cpu", "memory"].contains(&resource)
            || amounts_at(pod, &format!("/spec/resources/{list}")).contains_key(resource)
        {
            continue;
        }
        let containers =
            ["/spec/containers", "/spec/initContainers"].into_iter().flat_map(|all| object::list_at(pod, all));
        let silent = |container: &&Value| !amounts_at(container, &format!("/resources/{list}")).contains_key(resource);
        let names = containers.filter(silent).filter_map(|container| object::str_at(container, "/name"));
        for container in names {
            missing.entry(name).or_default().insert(container);
        }
    }
    let shown = |(name, containers): (&&str, &BTreeSet<&str>)| {
        format!("{name} for: {}", containers.iter().copied().collect::<Vec<_>>().join(","))
    };
    (!missing.is_empty()).then(|| format!("must specify {}", missing.iter().map(shown).collect::<Vec<_>>().join("; ")))
}

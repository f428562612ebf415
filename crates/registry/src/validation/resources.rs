//! Names and amounts of resources in quotas and limit ranges. Upstream: `validateResourceName` and its kin, `pkg/apis/core/helper`.

use sampan_meta::Quantity;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::validation::qualified_name;
use serde_json::{Map, Value};

use super::invalid_all;

/// Upstream: `standardContainerResources`.
const OF_CONTAINERS: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// What a quota may count beside them. Upstream: `standardQuotaResources`.
const OF_QUOTAS: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];
/// Counted in whole pieces. Upstream: `integerResources`.
const WHOLE: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

/// A name that a quota may have in `hard`.
pub(crate) fn quota_name(errors: &mut ErrorList, name: &str, path: &Path) {
    let wrong = qualified_name(name);
    if !wrong.is_empty() {
        invalid_all(errors, path, name, wrong);
    } else if !name.contains('/') && !is_of_quotas(name) {
        errors.push(field::invalid(path, name, "must be a standard resource type or fully qualified"));
        errors.push(field::invalid(path, name, "must be a standard resource for quota"));
    }
}

/// Whether a name without a domain is one that quotas know.
pub(crate) fn is_of_quotas(name: &str) -> bool {
    OF_QUOTAS.contains(&name) || ["hugepages-", "requests.hugepages-"].iter().any(|start| name.starts_with(start))
}

/// A name that a limit of pods or containers may have, or, where `any` says so, of anything.
pub(crate) fn limit_name(errors: &mut ErrorList, name: &str, any: bool, path: &Path) {
    let wrong = qualified_name(name);
    if !wrong.is_empty() {
        invalid_all(errors, path, name, wrong);
        return;
    }
    if name.contains('/') {
        return;
    }
    let of_containers = OF_CONTAINERS.contains(&name) || name.starts_with("hugepages-");
    if !of_containers && !is_of_quotas(name) && name != "storage" {
        errors.push(field::invalid(path, name, "must be a standard resource type or fully qualified"));
    }
    if !any && !of_containers {
        errors.push(field::invalid(path, name, "must be a standard resource for containers"));
    }
}

/// An amount that is not negative, and whole where only whole ones count. Upstream: `ValidateResourceQuantityValue`.
pub(crate) fn amount(errors: &mut ErrorList, name: &str, value: &Value, path: &Path) {
    let Some(quantity) = quantity(value) else { return };
    if quantity.is_negative() {
        errors.push(field::invalid(path, value.clone(), "must be greater than or equal to 0"));
    }
    if (WHOLE.contains(&name) || (name.contains('/') && !name.starts_with("kubernetes.io/")))
        && quantity.milli() % 1000 != 0
    {
        errors.push(field::invalid(path, value.clone(), "must be an integer"));
    }
}

/// The entries of a map of resources.
pub(crate) fn entries<'a>(part: &'a Value, member: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    part.get(member).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

pub(crate) fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}

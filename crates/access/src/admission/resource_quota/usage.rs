//! What an object uses of what quotas count (upstream's `pkg/quota/v1/evaluator/core`).

use std::collections::{BTreeMap, BTreeSet};

use sampan_api::request::{AdmissionRequest, Attributes, Operation};
use sampan_meta::{Quantity, object};
use serde_json::Value;

use super::may_add;
use crate::admission::resources::{Amounts, amounts_at, of_pod};

const COMPUTE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// Kinds that are counted by their bare name as well.
const COUNTED: [&str; 7] =
    ["configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services"];
const CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";

/// What the write adds to what is used; `None` when it adds nothing.
pub(super) fn added(request: &AdmissionRequest<'_>, object: &Value) -> Option<Amounts> {
    if !may_add(request) {
        return None;
    }
    let mut added = of(request.attributes, object);
    if let Some(old) = request.old.filter(|_| request.operation == Operation::Update) {
        for (name, before) in of(request.attributes, old) {
            if let Some(now) = added.get_mut(&name) {
                *now = (*now - before).max(Quantity::ZERO);
            }
        }
    }
    added.retain(|_, amount| !amount.is_zero());
    (!added.is_empty()).then_some(added)
}

fn count(number: usize) -> Quantity {
    Quantity::from_milli(i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(1000))
}

/// `count/pods`, `count/deployments.apps`.
fn counter(attributes: &Attributes) -> String {
    match attributes.group.as_str() {
        "" => format!("count/{}", attributes.resource),
        group => format!("count/{}.{group}", attributes.resource),
    }
}

fn of(attributes: &Attributes, object: &Value) -> Amounts {
    let mut used = Amounts::from([(counter(attributes), count(1))]);
    if !attributes.group.is_empty() {
        return used;
    }
    let plural = attributes.resource.as_str();
    if COUNTED.contains(&plural) {
        used.insert(plural.to_owned(), count(1));
    }
    match plural {
        "pods" => add_pod(&mut used, object),
        "services" => add_service(&mut used, object),
        "persistentvolumeclaims" => add_claim(&mut used, object),
        _ => (),
    }
    used
}

fn add_pod(used: &mut Amounts, pod: &Value) {
    for (name, amount) in of_pod(pod, "requests") {
        let standard = COMPUTE.contains(&name.as_str()) || name.starts_with("hugepages-");
        if standard || name.contains('/') {
            used.insert(format!("requests.{name}"), amount);
        }
        if standard {
            used.insert(name, amount);
        }
    }
    for (name, amount) in of_pod(pod, "limits").into_iter().filter(|(name, _)| COMPUTE.contains(&name.as_str())) {
        used.insert(format!("limits.{name}"), amount);
    }
}

fn add_service(used: &mut Amounts, service: &Value) {
    let ports = object::list_at(service, "/spec/ports");
    let with_node_port = ports.iter().filter(|port| object::i64_at(port, "/nodePort").unwrap_or(0) != 0).count();
    let type_ = object::str_at(service, "/spec/type");
    let node_ports = match type_ {
        Some("NodePort") => ports.len(),
        Some("LoadBalancer") => match object::bool_at(service, "/spec/allocateLoadBalancerNodePorts") {
            Some(false) => with_node_port,
            _ => ports.len(),
        },
        _ => 0,
    };
    used.insert("services.nodeports".to_owned(), count(node_ports));
    used.insert("services.loadbalancers".to_owned(), count(usize::from(type_ == Some("LoadBalancer"))));
}

fn add_claim(used: &mut Amounts, claim: &Value) {
    let annotation = object::annotation(claim, crate::admission::default_storage_class::CLASS_ANNOTATION);
    let class = annotation.or_else(|| object::str_at(claim, "/spec/storageClassName"));
    let storage = amounts_at(claim, "/spec/resources/requests").remove("storage");
    if let Some(storage) = storage {
        used.insert("requests.storage".to_owned(), storage);
    }
    if let Some(class) = class {
        used.insert(format!("{class}{CLASS_SUFFIX}persistentvolumeclaims"), count(1));
        if let Some(storage) = storage {
            used.insert(format!("{class}{CLASS_SUFFIX}requests.storage"), storage);
        }
    }
}

/// Whether objects of the kind may use what a quota counts under this name.
pub(super) fn concerns(attributes: &Attributes, name: &str) -> bool {
    if name == counter(attributes) {
        return true;
    }
    if !attributes.group.is_empty() {
        return false;
    }
    match attributes.resource.as_str() {
        "pods" => {
            let rest = name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits.")).unwrap_or(name);
            let own = COMPUTE.contains(&rest) || rest.starts_with("hugepages-");
            name == "pods" || own || (name.starts_with("requests.") && rest.contains('/'))
        }
        "services" => name == "services" || name.starts_with("services."),
        "persistentvolumeclaims" => {
            ["persistentvolumeclaims", "requests.storage"].contains(&name) || name.contains(CLASS_SUFFIX)
        }
        plural => COUNTED.contains(&plural) && name == plural,
    }
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

//! What objects use of what quotas count, and which objects a quota is about (upstream's `pkg/quota/v1/evaluator/core`). Shared by
//! admission, which charges, and the controller, which counts again.

mod scopes;

use sampan_meta::{GroupResource, Quantity, object};
use serde_json::Value;

use crate::amounts::{Amounts, amounts_at, of_pod};

pub use scopes::is_in_scope;

const COMPUTE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// Kinds that are counted by their bare name as well.
const COUNTED: [&str; 7] =
    ["configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services"];
const CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";

fn count(number: usize) -> Quantity {
    Quantity::from_milli(i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(1000))
}

/// `count/pods`, `count/deployments.apps`.
pub fn counter(resource: &GroupResource) -> String {
    match resource.group.as_str() {
        "" => format!("count/{}", resource.resource),
        group => format!("count/{}.{group}", resource.resource),
    }
}

/// What an object uses, of whatever a quota can count.
pub fn usage(resource: &GroupResource, object: &Value) -> Amounts {
    let mut used = Amounts::from([(counter(resource), count(1))]);
    if !resource.group.is_empty() {
        return used;
    }
    let plural = resource.resource.as_str();
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
    let annotation = object::annotation(claim, crate::volume::CLASS_BETA);
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
pub fn concerns(resource: &GroupResource, name: &str) -> bool {
    if name == counter(resource) {
        return true;
    }
    if !resource.group.is_empty() {
        return false;
    }
    match resource.resource.as_str() {
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

/// Whether a pod that is there still uses anything: not once it has ended, nor when its time to end is over (upstream's `QuotaV1Pod`).
pub fn counts(pod: &Value, now: jiff::Timestamp) -> bool {
    let ended = matches!(object::str_at(pod, "/status/phase"), Some("Succeeded" | "Failed"));
    let grace = object::i64_at(pod, "/metadata/deletionGracePeriodSeconds");
    let over = object::deletion_timestamp(pod).zip(grace).is_some_and(|(since, grace)| {
        since.checked_add(jiff::SignedDuration::from_secs(grace)).is_ok_and(|end| end < now)
    });
    !ended && !over
}

/// The resources whose objects a quota may count under this name: those with usage of their own, and whatever `count/` names.
pub fn counted(name: &str) -> GroupResource {
    if let Some(rest) = name.strip_prefix("count/") {
        let (plural, group) = rest.split_once('.').unwrap_or((rest, ""));
        return GroupResource::new(group, plural);
    }
    let own = ["services", "persistentvolumeclaims"].map(|plural| GroupResource::new("", plural));
    let bare = COUNTED.contains(&name).then(|| GroupResource::new("", name));
    bare.or_else(|| own.into_iter().find(|own| concerns(own, name))).unwrap_or_else(|| GroupResource::new("", "pods"))
}

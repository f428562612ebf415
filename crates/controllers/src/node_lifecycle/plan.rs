//! What a node's silence or illness leads to. Pure.

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Node, NodeCondition, PodCondition, Taint};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;

pub(super) struct Observed<'a> {
    pub(super) node: &'a Node,
    /// It gave no sign of life for longer than the grace period.
    pub(super) silent: bool,
    /// No node of the cluster is ready: the fault is rather on our side, and nothing is evicted.
    pub(super) all_unready: bool,
    pub(super) now: Timestamp,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Conditions to write.
    pub(super) conditions: Option<Vec<NodeCondition>>,
    /// All taints, if they have to change.
    pub(super) taints: Option<Option<Vec<Taint>>>,
    /// The pods on the node are to be marked as not ready.
    pub(super) unready_pods: bool,
}

/// The conditions a kubelet answers for.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// Taints that keep pods away, by the condition and the value that cause them.
const NO_SCHEDULE: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
];
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

fn conditions(node: &Node) -> impl Iterator<Item = &NodeCondition> {
    node.status.iter().flat_map(|status| status.conditions.iter().flatten())
}

fn status<'a>(node: &'a Node, type_: &str) -> Option<&'a str> {
    conditions(node).find(|condition| condition.type_ == type_).map(|condition| condition.status.as_str())
}

pub(super) fn is_ready(node: &Node) -> bool {
    status(node, "Ready") == Some("True")
}

/// When the kubelet last wrote its Ready condition, by the kubelet's clock.
pub(super) fn heartbeat(node: &Node) -> Option<Timestamp> {
    let ready = conditions(node).find(|condition| condition.type_ == "Ready")?;
    // What this controller wrote itself is no sign of life.
    ready.last_heartbeat_time.as_ref().filter(|_| ready.status != "Unknown").map(|time| time.0)
}

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let node = observed.node;
    if node.metadata.deletion_timestamp.is_some() {
        return Plan::default();
    }
    let unknown = observed.silent.then(|| unknown_conditions(observed)).filter(|conditions| !conditions.is_empty());
    let ready = if unknown.is_some() { Some("Unknown") } else { status(node, "Ready") };
    let (old, new) = (node.spec.as_ref().and_then(|spec| spec.taints.clone()), taints(observed, ready));
    Plan {
        taints: (old.clone().unwrap_or_default() != new).then(|| Some(new).filter(|taints| !taints.is_empty())),
        unready_pods: ready.is_some_and(|ready| ready != "True"),
        conditions: unknown,
    }
}

/// The conditions that nobody vouches for any more.
fn unknown_conditions(observed: &Observed<'_>) -> Vec<NodeCondition> {
    let now = Some(Time(observed.now));
    let mut unknown = Vec::new();
    for type_ in CONDITIONS {
        let known = conditions(observed.node).find(|condition| condition.type_ == type_);
        if known.is_some_and(|known| known.status == "Unknown") {
            continue;
        }
        let (reason, message) = match known {
            Some(_) => ("NodeStatusUnknown", "Kubelet stopped posting node status."),
            None => ("NodeStatusNeverUpdated", "Kubelet never posted node status."),
        };
        unknown.push(NodeCondition {
            type_: type_.to_owned(),
            status: "Unknown".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_heartbeat_time: known.and_then(|known| known.last_heartbeat_time.clone()),
            last_transition_time: now.clone(),
        });
    }
    unknown
}

/// The node's taints with ours brought up to date; others stay as they are.
fn taints(observed: &Observed<'_>, ready: Option<&str>) -> Vec<Taint> {
    let spec = observed.node.spec.clone().unwrap_or_default();
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    for (type_, value, taint) in NO_SCHEDULE {
        let actual = if type_ == "Ready" { ready } else { status(observed.node, type_) };
        if actual == Some(value) {
            wanted.push((taint, "NoSchedule"));
        }
    }
    if spec.unschedulable == Some(true) {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    match ready {
        Some("False") if !observed.all_unready => wanted.push((NOT_READY, "NoExecute")),
        Some("Unknown") if !observed.all_unready => wanted.push((UNREACHABLE, "NoExecute")),
        _ => {}
    }
    let is_wanted = |taint: &Taint| wanted.iter().any(|(key, effect)| taint.key == *key && taint.effect == *effect);
    let old = spec.taints.unwrap_or_default();
    let mut taints: Vec<Taint> = old.iter().filter(|taint| !is_ours(taint) || is_wanted(taint)).cloned().collect();
    for (key, effect) in wanted {
        if !old.iter().any(|taint| taint.key == key && taint.effect == effect) {
            let time_added = Some(Time(observed.now));
            taints.push(Taint { key: key.to_owned(), effect: effect.to_owned(), time_added, value: None });
        }
    }
    taints
}

fn is_ours(taint: &Taint) -> bool {
    let no_schedule = taint.effect == "NoSchedule"
        && (taint.key == UNSCHEDULABLE || NO_SCHEDULE.iter().any(|(_, _, key)| taint.key == *key));
    no_schedule || (taint.effect == "NoExecute" && matches!(taint.key.as_str(), NOT_READY | UNREACHABLE))
}

/// The Ready condition of a pod whose node cannot be trusted.
pub(super) fn unready(now: Timestamp) -> PodCondition {
    PodCondition {
        type_: "Ready".to_owned(),
        status: "False".to_owned(),
        last_transition_time: Some(Time(now)),
        ..PodCondition::default()
    }
}

#[cfg(test)]
mod tests;

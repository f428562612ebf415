//! The pods of a DaemonSet: which nodes they fit and how they are bound to one. As upstream's `daemonset_util.go`.

use sampan_api::k8s::api::apps::v1::{ControllerRevision, DaemonSet};
use sampan_api::k8s::api::core::v1::{
    Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Toleration,
};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_api::node_choice::NodeChoice;
use sampan_api::pod;
use sampan_api::taints::{self, tolerated};

use super::Place;
use crate::history::REVISION;
use crate::ownership::controller_reference;

const NAME: &str = "metadata.name";
const GENERATION: &str = "pod-template-generation";
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// The taints every daemon pod lives with. Upstream: `AddOrUpdateDaemonPodTolerations`.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
/// A pod in the node's own network does without that of pods.
const NETWORK: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// What a DaemonSet wants of a node. Upstream: `NodeShouldRunDaemonPod`.
pub(crate) fn place(set: &DaemonSet, node: &Node) -> Place {
    const NOWHERE: Place = Place { run: false, stay: false };
    let Some(mut spec) = set.spec.as_ref().and_then(|spec| spec.template.spec.clone()) else { return NOWHERE };
    let elsewhere =
        spec.node_name.as_ref().is_some_and(|name| !name.is_empty() && Some(name) != node.metadata.name.as_ref());
    if elsewhere || !may_choose(&spec, node) {
        return NOWHERE;
    }
    tolerate(&mut spec);
    let run = tolerates_all(&spec, node, &["NoSchedule", "NoExecute"]);
    Place { run, stay: run || tolerates_all(&spec, node, &["NoExecute"]) }
}

fn may_choose(spec: &PodSpec, node: &Node) -> bool {
    let no_labels = Default::default();
    let labels = node.metadata.labels.as_ref().unwrap_or(&no_labels);
    NodeChoice::new(spec).matches(node.metadata.name.as_deref().unwrap_or_default(), labels)
}

/// Whether the pod tolerates all taints of the node with one of these effects.
fn tolerates_all(spec: &PodSpec, node: &Node, effects: &[&str]) -> bool {
    let tolerations: Vec<_> = spec.tolerations.iter().flatten().filter_map(taints::Toleration::new).collect();
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    let mut counting = taints.filter(|taint| effects.contains(&taint.effect.as_str()));
    counting.all(|taint| tolerated(&tolerations, taint))
}

/// A pod of the newest template for a node.
pub(crate) fn new_pod(set: &DaemonSet, revision: &ControllerRevision, node: &str) -> Pod {
    let template = set.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let meta = template.metadata.unwrap_or_default();
    let mut labels = meta.labels.unwrap_or_default();
    if let Some(hash) = super::hash_of(revision) {
        labels.insert(REVISION.to_owned(), hash.to_owned());
    }
    if let Some(generation) = set.metadata.annotations.as_ref().and_then(|all| all.get(TEMPLATE_GENERATION)) {
        labels.insert(GENERATION.to_owned(), generation.clone());
    }
    let metadata = ObjectMeta {
        generate_name: Some(format!("{}-", set.metadata.name.as_deref().unwrap_or_default())),
        namespace: set.metadata.namespace.clone(),
        labels: Some(labels),
        annotations: meta.annotations,
        finalizers: meta.finalizers,
        owner_references: Some(vec![controller_reference(set)]),
        ..ObjectMeta::default()
    };
    let mut spec = template.spec.unwrap_or_default();
    tolerate(&mut spec);
    aim_at(&mut spec, node);
    Pod { metadata, spec: Some(spec), ..Pod::default() }
}

fn tolerate(spec: &mut PodSpec) {
    let network = Some(NETWORK).filter(|_| spec.host_network == Some(true));
    let tolerations = spec.tolerations.get_or_insert_default();
    for (key, effect) in TOLERATED.into_iter().chain(network) {
        let wanted = Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some(effect.to_owned()),
            ..Toleration::default()
        };
        // One that says the same for a while only is made to last.
        tolerations.retain(|toleration| Toleration { toleration_seconds: None, ..toleration.clone() } != wanted);
        tolerations.push(wanted);
    }
}

/// The scheduler brings the pod to this node and no other: the terms of required affinity make room for the node's name.
fn aim_at(spec: &mut PodSpec, node: &str) {
    let name = NodeSelectorRequirement {
        key: NAME.to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let term = NodeSelectorTerm { match_fields: Some(vec![name]), match_expressions: None };
    let affinity = spec.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
    affinity.required_during_scheduling_ignored_during_execution =
        Some(NodeSelector { node_selector_terms: vec![term] });
}

/// The node a pod is on or meant for. Upstream: `GetTargetNodeName`.
pub(super) fn target_node(pod: &Pod) -> Option<&str> {
    if let Some(node) = pod::node_name(pod) {
        return Some(node);
    }
    let affinity = pod.spec.as_ref()?.affinity.as_ref()?.node_affinity.as_ref()?;
    let terms = &affinity.required_during_scheduling_ignored_during_execution.as_ref()?.node_selector_terms;
    let fields = terms.iter().flat_map(|term| term.match_fields.iter().flatten());
    let mut named = fields.filter(|field| field.key == NAME && field.operator == "In");
    named.find_map(|field| field.values.as_deref()?.first()).map(String::as_str)
}

pub(super) fn hash_of(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get(REVISION).map(String::as_str)
}

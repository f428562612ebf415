//! The same decisions by looking at every pod and every node each time: what the indices are held against. Written from the meaning of
//! the API alone, over the objects themselves, with none of the scheduler's own types but a pod's sums.

use std::collections::{BTreeMap, BTreeSet};

use sampan_api::k8s::api::core::v1::{Node, NodeSelectorTerm, Pod, PodAffinityTerm, Taint, Toleration};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sampan_scheduler::PodRequest;

pub(crate) type Labels = BTreeMap<String, String>;

/// Nodes, the pods on them by node name, and the labels of namespaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) pods: BTreeMap<String, (Pod, String)>,
    pub(crate) namespaces: BTreeMap<String, Labels>,
}

impl Cluster {
    /// Nodes on which `pod` fits.
    pub(crate) fn fitting(&self, pod: &Pod) -> BTreeSet<String> {
        self.nodes.keys().filter(|node| self.fits(pod, node)).cloned().collect()
    }

    /// Whether `pod` fits on a node.
    pub(crate) fn fits(&self, pod: &Pod, node: &str) -> bool {
        let object = &self.nodes[node];
        self.has_room(pod, node)
            && matches_node(pod, object)
            && tolerates(pod, object)
            && self.is_near(pod, object)
            && self.is_away(pod, object)
            && self.is_let_in(pod, object)
            && self.is_even(pod, object)
    }

    fn has_room(&self, pod: &Pod, node: &str) -> bool {
        let allocatable =
            self.nodes[node].status.as_ref().and_then(|status| status.allocatable.clone()).unwrap_or_default();
        let amount = |name: &str| {
            allocatable.get(name).map_or(0, |amount| sampan_meta::Quantity::parse(&amount.0).unwrap().milli())
        };
        let there: Vec<_> = self.pods.values().filter(|(_, at)| at == node).map(|(pod, _)| pod).collect();
        let cpu = |pod: &Pod| i128::from(PodRequest::new(std::sync::Arc::new(pod.clone())).resources.cpu);
        let asked = cpu(pod);
        let used: i128 = there.iter().map(|pod| cpu(pod)).sum();
        (i128::try_from(there.len()).unwrap() + 1) * 1000 <= amount("pods")
            && (asked == 0 || used + asked <= amount("cpu"))
    }

    fn means(&self, owner: &Pod, term: &PodAffinityTerm, other: &Pod) -> bool {
        let namespace = other.metadata.namespace.clone().unwrap_or_default();
        let listed = term.namespaces.iter().flatten().any(|name| *name == namespace);
        let own = term.namespaces.as_ref().is_none_or(Vec::is_empty)
            && term.namespace_selector.is_none()
            && other.metadata.namespace == owner.metadata.namespace;
        let empty = Labels::new();
        let labels = self.namespaces.get(&namespace).unwrap_or(&empty);
        let chosen = term.namespace_selector.as_ref().is_some_and(|selector| selects(selector, labels));
        (listed || own || chosen)
            && term.label_selector.as_ref().is_some_and(|selector| selects(selector, &labels_of(other)))
    }

    fn in_place<'a>(&'a self, key: &'a str, node: &'a Node) -> impl Iterator<Item = &'a Pod> + 'a {
        let value = node.metadata.labels.as_ref().and_then(|labels| labels.get(key));
        self.pods
            .values()
            .filter(move |(_, at)| {
                let other = self.nodes.get(at).and_then(|node| node.metadata.labels.as_ref()?.get(key));
                value.is_some() && other == value
            })
            .map(|(pod, _)| pod)
    }

    fn is_near(&self, pod: &Pod, node: &Node) -> bool {
        let terms = near(pod);
        if terms.is_empty() {
            return true;
        }
        if terms.iter().any(|term| !has(node, &term.topology_key)) {
            return false;
        }
        let all = |other: &Pod| terms.iter().all(|term| self.means(pod, term, other));
        if terms.iter().all(|term| self.in_place(&term.topology_key, node).any(all)) {
            return true;
        }
        let anywhere = self.pods.values().any(|(other, at)| {
            all(other) && self.nodes.get(at).is_some_and(|at| terms.iter().any(|term| has(at, &term.topology_key)))
        });
        !anywhere && all(pod)
    }

    fn is_away(&self, pod: &Pod, node: &Node) -> bool {
        away(pod).iter().all(|term| !self.in_place(&term.topology_key, node).any(|other| self.means(pod, term, other)))
    }

    fn is_let_in(&self, pod: &Pod, node: &Node) -> bool {
        self.pods.values().all(|(other, at)| {
            let Some(at) = self.nodes.get(at) else { return true };
            away(other).iter().all(|term| {
                let value = |node: &Node| {
                    node.metadata.labels.as_ref().and_then(|labels| labels.get(&term.topology_key).cloned())
                };
                value(at).is_none() || value(at) != value(node) || !self.means(other, term, pod)
            })
        })
    }

    fn is_even(&self, pod: &Pod, node: &Node) -> bool {
        let constraints = pod.spec.iter().flat_map(|spec| &spec.topology_spread_constraints).flatten();
        let hard: Vec<_> = constraints.filter(|constraint| constraint.when_unsatisfiable == "DoNotSchedule").collect();
        hard.iter().all(|constraint| {
            let Some(value) = node.metadata.labels.as_ref().and_then(|labels| labels.get(&constraint.topology_key))
            else {
                return false;
            };
            let mut counts: BTreeMap<String, i64> = BTreeMap::new();
            for (name, other) in &self.nodes {
                let counted = hard.iter().all(|constraint| has(other, &constraint.topology_key))
                    && (constraint.node_affinity_policy.as_deref() == Some("Ignore") || matches_node(pod, other))
                    && (constraint.node_taints_policy.as_deref() != Some("Honor") || tolerates_taints(pod, other));
                if !counted {
                    continue;
                }
                let place = other.metadata.labels.as_ref().unwrap()[&constraint.topology_key].clone();
                let like = |other: &Pod| {
                    other.metadata.namespace == pod.metadata.namespace
                        && other.metadata.deletion_timestamp.is_none()
                        && spread_selects(pod, constraint, other)
                };
                let pods = self.pods.values().filter(|(other, at)| at == name && like(other)).count();
                *counts.entry(place).or_default() += i64::try_from(pods).unwrap();
            }
            let few = counts.len() < usize::try_from(constraint.min_domains.unwrap_or(1)).unwrap();
            let least = if few { 0 } else { counts.values().copied().min().unwrap_or(0) };
            let itself = i64::from(spread_selects(pod, constraint, pod));
            counts.get(value).copied().unwrap_or(0) + itself - least <= i64::from(constraint.max_skew)
        })
    }
}

fn spread_selects(
    pod: &Pod,
    constraint: &sampan_api::k8s::api::core::v1::TopologySpreadConstraint,
    other: &Pod,
) -> bool {
    let (own, others) = (labels_of(pod), labels_of(other));
    let same = |key: &String| own.get(key).is_none_or(|value| others.get(key) == Some(value));
    constraint.match_label_keys.iter().flatten().all(same)
        && constraint.label_selector.as_ref().is_some_and(|selector| selects(selector, &others))
}

fn labels_of(pod: &Pod) -> Labels {
    pod.metadata.labels.clone().unwrap_or_default()
}

fn has(node: &Node, key: &str) -> bool {
    node.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(key))
}

fn near(pod: &Pod) -> Vec<PodAffinityTerm> {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.pod_affinity.as_ref());
    affinity.and_then(|near| near.required_during_scheduling_ignored_during_execution.clone()).unwrap_or_default()
}

fn away(pod: &Pod) -> Vec<PodAffinityTerm> {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.pod_anti_affinity.as_ref());
    affinity.and_then(|away| away.required_during_scheduling_ignored_during_execution.clone()).unwrap_or_default()
}

fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|expression| {
            let value = labels.get(&expression.key);
            let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|one| one == value));
            match expression.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                _ => value.is_none(),
            }
        })
}

fn matches_node(pod: &Pod, node: &Node) -> bool {
    let Some(spec) = &pod.spec else { return true };
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    let term = |term: &NodeSelectorTerm| {
        let requirements = term.match_expressions.clone().unwrap_or_default();
        !requirements.is_empty()
            && requirements.iter().all(|requirement| {
                let selector = LabelSelector {
                    match_expressions: Some(vec![
                        sampan_api::k8s::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement {
                            key: requirement.key.clone(),
                            operator: requirement.operator.clone(),
                            values: requirement.values.clone(),
                        },
                    ]),
                    match_labels: None,
                };
                selects(&selector, &labels)
            })
    };
    spec.node_selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && required.is_none_or(|selector| selector.node_selector_terms.iter().any(term))
}

fn tolerates(pod: &Pod, node: &Node) -> bool {
    !node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false) && tolerates_taints(pod, node)
}

fn tolerates_taints(pod: &Pod, node: &Node) -> bool {
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.clone()).unwrap_or_default();
    let one = |taint: &Taint, toleration: &Toleration| {
        toleration.key.as_ref().is_none_or(|key| *key == taint.key)
            && (toleration.operator.as_deref() == Some("Exists") || toleration.value == taint.value)
    };
    node.spec
        .iter()
        .flat_map(|spec| &spec.taints)
        .flatten()
        .all(|taint| taint.effect == "PreferNoSchedule" || tolerations.iter().any(|toleration| one(taint, toleration)))
}

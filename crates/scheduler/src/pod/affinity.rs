//! Inter-pod affinity terms, read once: whom they are about, over which topology, and what they are worth.

use std::collections::BTreeSet;

use sampan_api::k8s::api::core::v1::{Affinity, Pod, PodAffinityTerm, WeightedPodAffinityTerm};

use crate::selector::{Labels, Selector};

/// A set of pods: those of some namespaces whose labels match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodSelector {
    /// Namespaces by name.
    pub namespaces: BTreeSet<String>,
    /// Namespaces by their labels, in addition.
    pub namespace_selector: Selector,
    /// Labels of the pods.
    pub labels: Selector,
}

impl PodSelector {
    /// The pods of one namespace whose labels match.
    pub fn within(namespace: &str, labels: Selector) -> Self {
        let namespaces = BTreeSet::from([namespace.to_owned()]);
        Self { namespaces, namespace_selector: Selector::nothing(), labels }
    }

    /// Whether a pod with these labels, in a namespace with those, belongs to the set. Matches upstream's `AffinityTerm.Matches`.
    pub fn matches(&self, namespace: &str, namespace_labels: &Labels, labels: &Labels) -> bool {
        (self.namespaces.contains(namespace) || self.namespace_selector.matches(namespace_labels))
            && self.labels.matches(labels)
    }

    /// Whether a pod may belong to the set: namespaces chosen by their labels are taken to be chosen.
    pub fn may_match(&self, pod: &super::PodRequest) -> bool {
        (self.namespaces.contains(&pod.name.namespace) || !self.namespace_selector.is_nothing())
            && self.labels.matches(pod.labels())
    }
}

/// "Near" or "away from" a set of pods, where `topology_key` says what near is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AffinityTerm {
    /// The pods meant.
    pub pods: PodSelector,
    /// The node label that makes two nodes the same place.
    pub topology_key: String,
}

/// A preference: positive weights attract, negative ones repel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WeightedTerm {
    /// What is preferred.
    pub term: AffinityTerm,
    /// How much, from -100 to 100.
    pub weight: i64,
}

/// What a pod says about other pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodAffinity {
    /// Must be near these, all of them.
    pub required: Vec<AffinityTerm>,
    /// Must be away from these, each of them.
    pub forbidden: Vec<AffinityTerm>,
    /// Would be near (or away).
    pub preferred: Vec<WeightedTerm>,
}

impl PodAffinity {
    /// Reads a pod's inter-pod affinity and anti-affinity.
    pub fn new(pod: &Pod) -> Self {
        let Some(affinity) = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()) else { return Self::default() };
        Self {
            required: required(pod, affinity),
            forbidden: forbidden(pod, affinity),
            preferred: preferred(pod, affinity),
        }
    }

    /// Whether there is nothing said.
    pub fn is_empty(&self) -> bool {
        self.required.is_empty() && self.forbidden.is_empty() && self.preferred.is_empty()
    }
}

fn required(pod: &Pod, affinity: &Affinity) -> Vec<AffinityTerm> {
    let terms = affinity.pod_affinity.iter().flat_map(|near| &near.required_during_scheduling_ignored_during_execution);
    terms.flatten().map(|term| read(pod, term)).collect()
}

fn forbidden(pod: &Pod, affinity: &Affinity) -> Vec<AffinityTerm> {
    let terms =
        affinity.pod_anti_affinity.iter().flat_map(|away| &away.required_during_scheduling_ignored_during_execution);
    terms.flatten().map(|term| read(pod, term)).collect()
}

fn preferred(pod: &Pod, affinity: &Affinity) -> Vec<WeightedTerm> {
    let near = affinity.pod_affinity.iter().flat_map(|near| &near.preferred_during_scheduling_ignored_during_execution);
    let away =
        affinity.pod_anti_affinity.iter().flat_map(|away| &away.preferred_during_scheduling_ignored_during_execution);
    let weighted = |sign: i64| {
        move |preference: &WeightedPodAffinityTerm| WeightedTerm {
            term: read(pod, &preference.pod_affinity_term),
            weight: sign * i64::from(preference.weight),
        }
    };
    near.flatten().map(weighted(1)).chain(away.flatten().map(weighted(-1))).collect()
}

/// Without namespaces the pod's own is meant; `matchLabelKeys` and `mismatchLabelKeys` stand for the pod's own values of these labels.
fn read(pod: &Pod, term: &PodAffinityTerm) -> AffinityTerm {
    let mut labels = Selector::new(term.label_selector.as_ref());
    let own = |key: &String| pod.metadata.labels.as_ref().and_then(|labels| labels.get(key));
    for key in term.match_label_keys.iter().flatten() {
        if let Some(value) = own(key) {
            labels = labels.and_is(key, value);
        }
    }
    for key in term.mismatch_label_keys.iter().flatten() {
        if let Some(value) = own(key) {
            labels = labels.and_is_not(key, value);
        }
    }
    let mut namespaces: BTreeSet<String> = term.namespaces.iter().flatten().cloned().collect();
    if namespaces.is_empty() && term.namespace_selector.is_none() {
        namespaces.extend(pod.metadata.namespace.clone());
    }
    let namespace_selector = Selector::new(term.namespace_selector.as_ref());
    AffinityTerm {
        pods: PodSelector { namespaces, namespace_selector, labels },
        topology_key: term.topology_key.clone(),
    }
}

//! Keeping the sums current as pods and nodes come and go.

use std::collections::HashMap;
use std::sync::OnceLock;

use sampan_api::taints::repels;

use super::counters::Site;
use super::{NodeState, Snapshot};
use crate::PodRequest;
use crate::selector::Labels;

impl Snapshot {
    pub(super) fn column(&mut self, key: &str) -> usize {
        let nodes = self.nodes.iter().filter(|state| state.node.is_some());
        self.topology.column_or_new(key, nodes.map(|state| (state.slot, state.labels())))
    }

    pub(super) fn count(&mut self, pod: &PodRequest, slot: usize) {
        let affinity = &pod.affinity;
        let preferred = affinity.preferred.iter().map(|weighted| &weighted.term);
        for term in affinity.forbidden.iter().chain(&affinity.required).chain(preferred) {
            self.column(&term.topology_key);
        }
        self.terms.add(pod, slot, &self.topology);
        let labels = labels_of(&self.namespaces, &pod.name.namespace);
        self.counters.add(pod, labels, (slot, 1), &self.topology);
    }

    pub(super) fn uncount(&mut self, pod: &PodRequest, slot: usize) {
        self.terms.remove(pod, slot, &self.topology);
        let labels = labels_of(&self.namespaces, &pod.name.namespace);
        self.counters.add(pod, labels, (slot, -1), &self.topology);
    }

    /// A node has new labels: it and its pods count at its new place.
    pub(super) fn enter(&mut self, slot: usize) {
        self.order = OnceLock::new();
        self.topology.enter(slot, self.nodes[slot].labels());
        self.counters.enter(&site(&self.nodes[slot]), &self.topology);
        self.choices.enter(&site(&self.nodes[slot]));
        let pods: Vec<_> = self.nodes[slot].pods().cloned().collect();
        pods.iter().for_each(|pod| self.count(pod, slot));
    }

    pub(super) fn leave(&mut self, slot: usize) {
        if self.nodes[slot].node.is_none() {
            return;
        }
        self.order = OnceLock::new();
        let pods: Vec<_> = self.nodes[slot].pods().cloned().collect();
        pods.iter().for_each(|pod| self.uncount(pod, slot));
        self.counters.leave(slot, &self.topology);
        self.topology.leave(slot, self.nodes[slot].labels());
    }

    pub(super) fn count_traits(&mut self, slot: usize, comes: bool) {
        let state = &self.nodes[slot];
        if state.node.is_none() {
            return;
        }
        let change = |count: &mut usize, has: bool| match (has, comes) {
            (true, true) => *count += 1,
            (true, false) => *count -= 1,
            (false, _) => {}
        };
        change(&mut self.traits.repelling, state.taints().iter().any(repels));
        change(&mut self.traits.discouraging, state.taints().iter().any(|taint| taint.effect == "PreferNoSchedule"));
        change(&mut self.traits.cordoned, state.unschedulable());
        for name in state.images.keys() {
            let nodes = self.images.entry(name.clone()).or_default();
            change(nodes, true);
            if *nodes == 0 {
                self.images.remove(name);
            }
        }
    }
}

pub(super) fn site(state: &NodeState) -> Site<'_> {
    Site { slot: state.slot, name: &state.name, labels: state.labels(), taints: state.taints() }
}

pub(super) fn labels_of<'a>(namespaces: &'a HashMap<String, Labels>, name: &str) -> &'a Labels {
    static NONE: Labels = Labels::new();
    namespaces.get(name).unwrap_or(&NONE)
}

//! One question and its answer by place.

use std::collections::BTreeMap;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Taint;
use sampan_api::node_choice::NodeChoice;
use sampan_api::taints::{Toleration, repels, tolerated};

use crate::pod::{PodRequest, PodSelector};
use crate::selector::Labels;
use crate::snapshot::topology::{NOWHERE, Topology};

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Count {
    /// The pods that belong to all of these sets.
    pub pods: Vec<PodSelector>,
    /// The node label whose values are the places.
    pub topology_key: String,
    /// Only on these nodes.
    pub nodes: NodeScope,
    /// Without pods that are being deleted.
    pub living: bool,
}

/// Which nodes belong to a count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeScope {
    /// Labels they must have, sorted.
    pub keys: Vec<String>,
    /// Which the pod may choose.
    pub choice: NodeChoice,
    /// Whose taints these tolerate; `None`: whatever their taints.
    pub tolerations: Option<Vec<Toleration>>,
}

impl NodeScope {
    pub(super) fn has(&self, name: &str, labels: &Labels, taints: &[Taint]) -> bool {
        let tolerates =
            |tolerations: &Vec<Toleration>| taints.iter().all(|taint| !repels(taint) || tolerated(tolerations, taint));
        self.keys.iter().all(|key| labels.contains_key(key))
            && self.choice.matches(name, labels)
            && self.tolerations.as_ref().is_none_or(tolerates)
    }
}

/// The pods of one [`Count`], by place.
#[derive(Clone, Debug)]
pub struct Counter {
    pub(super) what: Arc<Count>,
    pub(super) column: usize,
    /// Whether a node belongs to the count, by slot.
    nodes: Vec<bool>,
    places: Vec<Place>,
    /// How many places there are with each number of pods: the least is the first.
    levels: BTreeMap<i64, usize>,
    total: i64,
    /// When it was last needed.
    pub(super) used: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    nodes: usize,
    pods: i64,
}

impl Counter {
    pub(super) fn new(what: Arc<Count>, column: usize, used: u64) -> Self {
        Self { what, column, used, nodes: Vec::new(), places: Vec::new(), levels: BTreeMap::new(), total: 0 }
    }

    /// The number of the place a node is in; [`NOWHERE`] when it lacks the label.
    pub(crate) fn place_of(&self, slot: usize, topology: &Topology) -> usize {
        topology.place(self.column, slot)
    }

    /// Pods in a place.
    pub(crate) fn at(&self, place: usize) -> i64 {
        self.places.get(place).map_or(0, |place| place.pods)
    }

    /// Whether a node belongs to the count.
    pub(crate) fn counts(&self, slot: usize) -> bool {
        self.nodes.get(slot).copied().unwrap_or(false)
    }

    /// Pods in all places together.
    pub(crate) fn total(&self) -> i64 {
        self.total
    }

    /// How many places there are: those with a node that belongs.
    pub(crate) fn place_count(&self) -> usize {
        self.levels.values().sum()
    }

    /// Pods in the emptiest place, if `place` had `change` more than it has.
    pub(crate) fn least(&self, place: usize, change: i64) -> i64 {
        let least = |levels: &BTreeMap<i64, usize>| levels.first_key_value().map_or(0, |(pods, _)| *pods);
        if change == 0 {
            return least(&self.levels);
        }
        let pods = self.at(place);
        let others = self.levels.iter().find(|(level, places)| **level != pods || **places > 1);
        others.map_or(pods + change, |(level, _)| (*level).min(pods + change))
    }

    /// Whether a pod is one of those counted.
    pub(crate) fn is_about(&self, pod: &PodRequest, namespace_labels: &Labels) -> bool {
        let belongs = |pods: &PodSelector| pods.matches(&pod.name.namespace, namespace_labels, pod.labels());
        !(self.what.living && pod.terminating) && self.what.pods.iter().all(belongs)
    }

    pub(super) fn add_pods(&mut self, place: usize, change: i64) {
        let pods = self.places[place].pods;
        self.leave_level(pods);
        self.places[place].pods = pods + change;
        *self.levels.entry(pods + change).or_default() += 1;
        self.total += change;
    }

    fn leave_level(&mut self, pods: i64) {
        if let Some(places) = self.levels.get_mut(&pods) {
            *places -= 1;
            if *places == 0 {
                self.levels.remove(&pods);
            }
        }
    }

    pub(super) fn enter(&mut self, slot: usize, place: usize, belongs: bool) {
        if self.nodes.len() <= slot {
            self.nodes.resize(slot + 1, false);
        }
        self.nodes[slot] = belongs;
        if !belongs || place == NOWHERE {
            return;
        }
        if self.places.len() <= place {
            self.places.resize(place + 1, Place::default());
        }
        self.places[place].nodes += 1;
        if self.places[place].nodes == 1 {
            *self.levels.entry(0).or_default() += 1;
        }
    }

    /// A node without counted pods goes.
    pub(super) fn leave(&mut self, slot: usize, place: usize) {
        if !std::mem::replace(&mut self.nodes[slot], false) || place == NOWHERE {
            return;
        }
        self.places[place].nodes -= 1;
        if self.places[place].nodes == 0 {
            debug_assert_eq!(self.places[place].pods, 0, "a place without nodes has no pods");
            self.leave_level(0);
        }
    }
}

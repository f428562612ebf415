//! How many pods of a kind are in each place: kept by addition and subtraction as pods and nodes come and go, so that a decision asks
//! for a number instead of looking at every pod.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Taint;

use super::anchors::Anchors;
use super::topology::{NOWHERE, Topology};
use crate::pod::{NodeChoice, PodRequest, PodSelector};
use crate::selector::{Labels, Selector};
use crate::taints::{Toleration, repels, tolerated};

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
    fn has(&self, name: &str, labels: &Labels, taints: &[Taint]) -> bool {
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
    what: Arc<Count>,
    column: usize,
    /// Whether a node belongs to the count, by slot.
    nodes: Vec<bool>,
    places: Vec<Place>,
    /// How many places there are with each number of pods: the least is the first.
    levels: BTreeMap<i64, usize>,
    total: i64,
    /// When it was last needed.
    used: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    nodes: usize,
    pods: i64,
}

impl Counter {
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

    fn add_pods(&mut self, place: usize, change: i64) {
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

    fn enter(&mut self, slot: usize, place: usize, belongs: bool) {
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
    fn leave(&mut self, slot: usize, place: usize) {
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

/// All counters somebody needed lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    ids: HashMap<Arc<Count>, usize>,
    all: Vec<Option<Counter>>,
    vacant: Vec<usize>,
    anchors: Anchors,
    now: u64,
}

/// So many counters are kept; beyond, those not needed for the longest time go.
const KEPT: usize = 4096;

/// A node as counters see it.
pub(super) struct Site<'a> {
    pub(super) slot: usize,
    pub(super) name: &'a str,
    pub(super) labels: &'a Labels,
    pub(super) taints: &'a [Taint],
}

impl Counters {
    pub(super) fn get(&self, what: &Count) -> Option<&Counter> {
        self.all[*self.ids.get(what)?].as_ref()
    }

    /// Marks a counter as needed; `false` when it has to be made first.
    pub(super) fn touch(&mut self, what: &Count) -> bool {
        self.now += 1;
        let Some(id) = self.ids.get(what) else { return false };
        self.all[*id].as_mut().expect("a filed counter is there").used = self.now;
        true
    }

    /// Starts to count. Nodes and pods there are must be told by [`Self::enter_one`] and [`Self::add_to`].
    pub(super) fn insert(&mut self, what: Arc<Count>, column: usize) -> usize {
        let id = self.vacant.pop().unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() - 1
        });
        self.anchors.add(anchor_of(&what), id);
        self.ids.insert(what.clone(), id);
        self.all[id] = Some(Counter {
            what,
            column,
            nodes: Vec::new(),
            places: Vec::new(),
            levels: BTreeMap::new(),
            total: 0,
            used: self.now,
        });
        id
    }

    /// A node came.
    pub(super) fn enter(&mut self, site: &Site<'_>, topology: &Topology) {
        for id in 0..self.all.len() {
            self.enter_one(id, site, topology);
        }
    }

    pub(super) fn enter_one(&mut self, id: usize, site: &Site<'_>, topology: &Topology) {
        let Some(counter) = &mut self.all[id] else { return };
        let belongs = counter.what.nodes.has(site.name, site.labels, site.taints);
        counter.enter(site.slot, topology.place(counter.column, site.slot), belongs);
    }

    /// A node goes; its pods went before.
    pub(super) fn leave(&mut self, slot: usize, topology: &Topology) {
        for counter in self.all.iter_mut().flatten() {
            counter.leave(slot, topology.place(counter.column, slot));
        }
    }

    /// A pod came to a node (`change` 1) or left it (-1).
    pub(super) fn add(
        &mut self,
        pod: &PodRequest,
        namespace_labels: &Labels,
        (slot, change): (usize, i64),
        topology: &Topology,
    ) {
        for id in self.anchors.candidates(pod.labels()) {
            add_to(&mut self.all[id], pod, namespace_labels, (slot, change), topology);
        }
    }

    pub(super) fn add_to(
        &mut self,
        id: usize,
        pod: &PodRequest,
        namespace_labels: &Labels,
        at: (usize, i64),
        topology: &Topology,
    ) {
        add_to(&mut self.all[id], pod, namespace_labels, at, topology);
    }

    /// Forgets the counters to which pods of a namespace belong now that its labels are `new`, or belong no longer.
    pub(super) fn forget_selecting(&mut self, old: &Labels, new: &Labels) {
        let changes = |pods: &PodSelector| pods.namespace_selector.matches(old) != pods.namespace_selector.matches(new);
        self.forget(|counter| counter.what.pods.iter().any(changes));
    }

    /// Keeps the memory in bounds. Before a decision, never within: what it asks for must be there.
    pub(super) fn trim(&mut self) {
        if self.ids.len() < KEPT {
            return;
        }
        let mut ages: Vec<u64> = self.all.iter().flatten().map(|counter| counter.used).collect();
        ages.sort_unstable();
        let median = ages[ages.len() / 2];
        self.forget(|counter| counter.used < median);
    }

    fn forget(&mut self, which: impl Fn(&Counter) -> bool) {
        for (id, slot) in self.all.iter_mut().enumerate() {
            let Some(counter) = slot.take_if(|counter| which(counter)) else { continue };
            self.ids.remove(&counter.what);
            self.anchors.remove(anchor_of(&counter.what), id);
            self.vacant.push(id);
        }
    }
}

fn anchor_of(what: &Count) -> &Selector {
    static EVERYTHING: std::sync::LazyLock<Selector> = std::sync::LazyLock::new(|| Selector::having(&Labels::new()));
    what.pods.iter().map(|pods| &pods.labels).find(|labels| labels.anchor().is_some()).unwrap_or(&EVERYTHING)
}

fn add_to(
    counter: &mut Option<Counter>,
    pod: &PodRequest,
    namespace_labels: &Labels,
    (slot, change): (usize, i64),
    topology: &Topology,
) {
    let Some(counter) = counter else { return };
    let place = topology.place(counter.column, slot);
    if place != NOWHERE && counter.counts(slot) && counter.is_about(pod, namespace_labels) {
        counter.add_pods(place, change);
    }
}

//! What the scheduler knows of nodes and of the pods on them, kept current by small changes instead of being built anew.

mod anchors;
mod choices;
mod counters;
mod journal;
mod node;
mod terms;
mod topology;
mod upkeep;
mod workloads;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use sampan_api::k8s::api::core::v1::{Node, Taint};
use sampan_api::node_choice::NodeChoice;

use crate::PodRequest;
use crate::pod::{Spread, spread_counts};
use crate::preempt::Budgets;
use crate::selector::Labels;
use crate::storage::Storage;
use choices::Choices;
use counters::Counters;
use terms::OwnedTerms;
use topology::Topology;
use upkeep::{labels_of, site};

pub use counters::{Count, Counter, NodeScope};
pub use journal::{Journal, NodeNews};
pub use node::NodeState;
pub use terms::OwnedTerm;
pub(crate) use topology::NOWHERE;
pub use workloads::Workloads;

/// All nodes, the pods bound or assumed there, and sums over them.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What belongs together by default.
    pub workloads: Workloads,
    /// Claims, volumes and classes.
    pub storage: Storage,
    /// What keeps pods from being removed too many at a time.
    pub budgets: Budgets,
    nodes: Vec<NodeState>,
    vacant: Vec<usize>,
    slots: BTreeMap<String, usize>,
    /// Where each pod is counted, by UID.
    placed: HashMap<String, usize>,
    /// Pods that wait for room being made on a node, by UID, and the node.
    nominated: BTreeMap<String, (Arc<PodRequest>, String)>,
    namespaces: HashMap<String, Labels>,
    topology: Topology,
    counters: Counters,
    choices: Choices,
    terms: OwnedTerms,
    /// How many nodes have each image.
    images: HashMap<String, usize>,
    traits: Traits,
    order: OnceLock<Vec<usize>>,
    journal: Journal,
}

/// How many nodes have something that most clusters have nowhere: plugins that look for it have nothing to do without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(crate) repelling: usize,
    pub(crate) discouraging: usize,
    pub(crate) cordoned: usize,
}

impl Snapshot {
    /// Nodes that exist, in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeState> {
        self.slots.values().map(|slot| &self.nodes[*slot]).filter(|state| state.node.is_some())
    }

    /// One node that exists.
    pub fn node(&self, name: &str) -> Option<&NodeState> {
        self.slots.get(name).map(|slot| &self.nodes[*slot]).filter(|state| state.node.is_some())
    }

    /// Nodes that exist, by number, zones taking turns: any stretch of it lies in all zones alike. Upstream's `nodeTree`.
    pub(crate) fn order(&self) -> &[usize] {
        self.order.get_or_init(|| {
            let mut turns: HashMap<(&str, &str), usize> = HashMap::new();
            let mut order: Vec<_> = self.nodes().map(|node| (node.zone(), node.slot)).collect();
            let mut keyed: Vec<_> = order
                .drain(..)
                .map(|(zone, slot)| {
                    let turn = turns.entry(zone).or_default();
                    *turn += 1;
                    (*turn, zone, slot)
                })
                .collect();
            keyed.sort();
            keyed.into_iter().map(|(_, _, slot)| slot).collect()
        })
    }

    pub(crate) fn by_slot(&self, slot: usize) -> &NodeState {
        &self.nodes[slot]
    }

    /// The node of that number, while it exists.
    pub fn numbered(&self, number: usize) -> Option<&NodeState> {
        self.nodes.get(number).filter(|state| state.node.is_some())
    }

    /// What changed of nodes and of what runs there.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Adds a node or takes its new state.
    pub fn set_node(&mut self, node: Arc<Node>) {
        let name = node.metadata.name.clone().unwrap_or_default();
        let slot = self.slot(&name);
        let same_place = self.nodes[slot]
            .node
            .as_ref()
            .is_some_and(|old| old.metadata.labels == node.metadata.labels && taints(old) == taints(&node));
        if !same_place {
            self.leave(slot);
        }
        self.count_traits(slot, false);
        self.nodes[slot].set_node(node);
        self.journal.note(NodeNews::Node(slot));
        self.count_traits(slot, true);
        if !same_place {
            self.enter(slot);
        }
    }

    /// Forgets a node; pods still bound to it are kept in mind in case it comes back.
    pub fn remove_node(&mut self, name: &str) {
        let Some(slot) = self.slots.get(name).copied() else { return };
        self.leave(slot);
        self.count_traits(slot, false);
        self.nodes[slot].node = None;
        self.journal.note(NodeNews::Node(slot));
        self.forget_if_empty(slot);
    }

    /// Counts `pod` on `node`, and nowhere else any more.
    pub fn place(&mut self, pod: Arc<PodRequest>, node: &str) {
        self.remove(&pod.uid.clone());
        self.nominated.remove(&pod.uid);
        let slot = self.slot(node);
        self.placed.insert(pod.uid.clone(), slot);
        self.storage.count_users(&pod, 1);
        self.nodes[slot].add(pod.clone());
        self.journal.note(NodeNews::Usage(slot));
        if self.nodes[slot].node.is_some() {
            self.count(&pod, slot);
        }
    }

    /// Counts the pod no longer. Returns what it was and the node it was on.
    pub fn remove(&mut self, uid: &str) -> Option<(Arc<PodRequest>, String)> {
        let slot = self.placed.remove(uid)?;
        let pod = self.nodes[slot].remove(uid)?;
        self.journal.note(NodeNews::Usage(slot));
        self.storage.count_users(&pod, -1);
        if self.nodes[slot].node.is_some() {
            self.uncount(&pod, slot);
        }
        let node = self.nodes[slot].name.clone();
        self.forget_if_empty(slot);
        Some((pod, node))
    }

    /// Whether the pod is bound or assumed somewhere.
    pub fn is_placed(&self, uid: &str) -> bool {
        self.placed.contains_key(uid)
    }

    /// The pod as it is counted, with its node.
    pub fn placed(&self, uid: &str) -> Option<(&Arc<PodRequest>, &str)> {
        let state = &self.nodes[*self.placed.get(uid)?];
        Some((state.get(uid)?, &state.name))
    }

    /// Room is being made on `node` for a pod: others of no higher priority leave it to it.
    pub fn nominate(&mut self, pod: Arc<PodRequest>, node: &str) {
        self.nominated.insert(pod.uid.clone(), (pod, node.to_owned()));
    }

    /// No room is kept for the pod any more.
    pub fn forget_nomination(&mut self, uid: &str) -> bool {
        self.nominated.remove(uid).is_some()
    }

    /// The node where room is being made for a pod.
    pub fn nomination(&self, uid: &str) -> Option<&str> {
        self.nominated.get(uid).map(|(_, node)| node.as_str())
    }

    /// Whether room is being made anywhere.
    pub(crate) fn has_nominated(&self) -> bool {
        !self.nominated.is_empty()
    }

    /// Pods for which room is being made on `node`.
    pub(crate) fn nominated_on(&self, node: &str) -> impl Iterator<Item = &Arc<PodRequest>> {
        self.nominated.values().filter(move |(_, at)| at == node).map(|(pod, _)| pod)
    }

    /// A namespace is there, with these labels.
    pub fn set_namespace(&mut self, name: &str, labels: Labels) {
        let old = self.namespaces.insert(name.to_owned(), labels.clone()).unwrap_or_default();
        self.counters.forget_selecting(&old, &labels);
    }

    /// A namespace went.
    pub fn remove_namespace(&mut self, name: &str) {
        let old = self.namespaces.remove(name).unwrap_or_default();
        self.counters.forget_selecting(&old, &Labels::new());
    }

    pub(crate) fn namespace_labels(&self, name: &str) -> &Labels {
        static NONE: Labels = Labels::new();
        self.namespaces.get(name).unwrap_or(&NONE)
    }

    /// How many nodes have an image.
    pub(crate) fn nodes_with_image(&self, name: &str) -> usize {
        self.images.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn traits(&self) -> Traits {
        self.traits
    }

    pub(crate) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// A counter that [`Self::count_for`] has made.
    pub(crate) fn counter(&self, what: &Count) -> &Counter {
        self.counters.get(what).expect("the decision's counters are made when it begins")
    }

    /// Which nodes are chosen, by slot; [`Self::prepare`] has found out.
    pub(crate) fn chosen(&self, choice: &NodeChoice) -> &[bool] {
        self.choices.get(choice).unwrap_or_default()
    }

    /// The terms of placed pods that mean `pod`.
    pub(crate) fn terms_about<'a>(&'a self, pod: &'a PodRequest) -> impl Iterator<Item = &'a OwnedTerm> + 'a {
        self.terms.about(pod, self.namespace_labels(&pod.name.namespace))
    }

    /// Makes the counter for `what` unless there is one: by looking at every pod, this once.
    pub(crate) fn count_for(&mut self, what: &Arc<Count>) {
        if self.counters.touch(what) {
            return;
        }
        let column = self.column(&what.topology_key);
        let id = self.counters.insert(what.clone(), column);
        for state in self.nodes.iter().filter(|state| state.node.is_some()) {
            self.counters.enter_one(id, &site(state), &self.topology);
            for pod in state.pods() {
                let labels = labels_of(&self.namespaces, &pod.name.namespace);
                self.counters.add_to(id, pod, labels, (state.slot, 1), &self.topology);
            }
        }
    }

    /// Makes every counter that a decision on `pod` will ask for.
    pub(crate) fn prepare(&mut self, pod: &PodRequest) {
        self.counters.trim();
        if !pod.nodes.is_any() && pod.nodes.names().is_none() {
            let nodes = self.nodes.iter().filter(|state| state.node.is_some());
            self.choices.know(&pod.nodes, nodes.map(site));
        }
        for what in pod.counts().iter() {
            self.count_for(what);
        }
        for (_, what) in self.wishes(pod) {
            self.count_for(&what);
        }
    }

    /// How the pod would be spread, by its own constraints or else by the defaults, and what to count for it.
    pub(crate) fn wishes(&self, pod: &PodRequest) -> Vec<(Spread, Arc<Count>)> {
        if !pod.spread.is_empty() {
            let soft = pod.spread.iter().filter(|spread| !spread.hard).cloned();
            return soft.zip(pod.counts().soft.iter().cloned()).collect();
        }
        let Some(siblings) = self.workloads.siblings(pod) else { return Vec::new() };
        let defaults = Spread::defaults(&siblings);
        let counts = spread_counts(pod, &defaults.iter().collect::<Vec<_>>(), false);
        defaults.into_iter().zip(counts).collect()
    }

    /// Forgets what has been counted: the next decision counts anew. For measuring what the counters are worth.
    pub fn forget_counts(&mut self) {
        self.counters = Counters::default();
    }

    fn slot(&mut self, name: &str) -> usize {
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.nodes.push(NodeState::default());
            self.nodes.len() - 1
        });
        self.nodes[slot] = NodeState::named(name, slot);
        self.slots.insert(name.to_owned(), slot);
        slot
    }

    fn forget_if_empty(&mut self, slot: usize) {
        let state = &mut self.nodes[slot];
        if state.node.is_none() && state.is_empty() {
            self.slots.remove(&std::mem::take(&mut state.name));
            self.vacant.push(slot);
        }
    }
}

fn taints(node: &Node) -> &[Taint] {
    node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! How many pods of a kind are in each place: kept by addition and subtraction as pods and nodes come and go, so that a decision asks
//! for a number instead of looking at every pod.

mod counter;

use std::collections::HashMap;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Taint;

use super::anchors::Anchors;
use super::topology::{NOWHERE, Topology};
use crate::pod::{PodRequest, PodSelector};
use crate::selector::{Labels, Selector};

pub use counter::{Count, Counter, NodeScope};

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
        self.all[id] = Some(Counter::new(what, column, self.now));
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

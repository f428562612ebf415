//! What the pods that run say about pods to come: their anti-affinity forbids places, their preferences make places better or worse.
//! Kept as sums by term and place, so that a thousand pods of one Deployment cost as much as one.

use std::collections::HashMap;
use std::sync::Arc;

use super::anchors::Anchors;
use super::topology::{NOWHERE, Topology};
use crate::pod::{AffinityTerm, PodRequest};
use crate::selector::Labels;

/// Upstream's `hardPodAffinityWeight`: what a required affinity of a running pod is worth to those it means.
const REQUIRED_WEIGHT: i64 = 1;

/// One term and the places of the pods that have it.
#[derive(Clone, Debug)]
pub struct OwnedTerm {
    term: Arc<AffinityTerm>,
    column: usize,
    owners: usize,
    sums: Vec<Sums>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    forbidding: i64,
    pull: i64,
}

impl OwnedTerm {
    /// The number of the place a node is in.
    pub(crate) fn place_of(&self, slot: usize, topology: &Topology) -> usize {
        topology.place(self.column, slot)
    }

    /// How many pods forbid the place.
    pub(crate) fn forbidding(&self, place: usize) -> i64 {
        self.sums.get(place).map_or(0, |sums| sums.forbidding)
    }

    /// How much better the place is.
    pub(crate) fn pull(&self, place: usize) -> i64 {
        self.sums.get(place).map_or(0, |sums| sums.pull)
    }

    /// The term.
    pub(crate) fn term(&self) -> &AffinityTerm {
        &self.term
    }

    fn add(&mut self, place: usize, sums: Sums) {
        if place == NOWHERE {
            return;
        }
        if self.sums.len() <= place {
            self.sums.resize(place + 1, Sums::default());
        }
        self.sums[place].forbidding += sums.forbidding;
        self.sums[place].pull += sums.pull;
    }
}

/// All terms of pods that are somewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnedTerms {
    ids: HashMap<Arc<AffinityTerm>, usize>,
    all: Vec<Option<OwnedTerm>>,
    vacant: Vec<usize>,
    anchors: Anchors,
}

impl OwnedTerms {
    /// The terms that mean `pod`.
    pub(super) fn about<'a>(
        &'a self,
        pod: &'a PodRequest,
        namespace_labels: &'a Labels,
    ) -> impl Iterator<Item = &'a OwnedTerm> + 'a {
        let candidates = self.anchors.candidates(pod.labels()).filter_map(|id| self.all[id].as_ref());
        candidates.filter(|owned| owned.term.pods.matches(&pod.name.namespace, namespace_labels, pod.labels()))
    }

    /// A pod came to a node.
    pub(super) fn add(&mut self, pod: &PodRequest, slot: usize, topology: &Topology) {
        for (term, sums) in terms_of(pod) {
            let column = topology.column(&term.topology_key).expect("the column is made before the pod is counted");
            let id = self.id_of(term, column);
            let owned = self.all[id].as_mut().expect("a filed term is there");
            owned.owners += 1;
            owned.add(topology.place(column, slot), sums);
        }
    }

    /// A pod leaves a node.
    pub(super) fn remove(&mut self, pod: &PodRequest, slot: usize, topology: &Topology) {
        for (term, sums) in terms_of(pod) {
            let Some(id) = self.ids.get(term).copied() else { continue };
            let owned = self.all[id].as_mut().expect("a filed term is there");
            let less = Sums { forbidding: -sums.forbidding, pull: -sums.pull };
            owned.add(topology.place(owned.column, slot), less);
            owned.owners -= 1;
            if owned.owners == 0 {
                self.ids.remove(term);
                self.anchors.remove(&term.pods.labels, id);
                self.all[id] = None;
                self.vacant.push(id);
            }
        }
    }

    fn id_of(&mut self, term: &AffinityTerm, column: usize) -> usize {
        if let Some(id) = self.ids.get(term) {
            return *id;
        }
        let id = self.vacant.pop().unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() - 1
        });
        let term = Arc::new(term.clone());
        self.anchors.add(&term.pods.labels, id);
        self.ids.insert(term.clone(), id);
        self.all[id] = Some(OwnedTerm { term, column, owners: 0, sums: Vec::new() });
        id
    }
}

fn terms_of(pod: &PodRequest) -> impl Iterator<Item = (&AffinityTerm, Sums)> {
    let affinity = &pod.affinity;
    let forbidden = affinity.forbidden.iter().map(|term| (term, Sums { forbidding: 1, pull: 0 }));
    let required = affinity.required.iter().map(|term| (term, Sums { forbidding: 0, pull: REQUIRED_WEIGHT }));
    let preferred =
        affinity.preferred.iter().map(|weighted| (&weighted.term, Sums { forbidding: 0, pull: weighted.weight }));
    forbidden.chain(required).chain(preferred)
}

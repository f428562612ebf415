//! Near these pods, away from those: what the pod says itself, and what pods that already run say about it.

use super::score::MOST;
use super::{Candidate, Filter, Plugin, PreFilter, Score, Verdict};
use crate::pod::PodAffinity;
use crate::snapshot::{Counter, NOWHERE, OwnedTerm};
use crate::{Event, NodeState, PodRequest, Snapshot};

pub(super) struct InterPodAffinity;

impl Plugin for InterPodAffinity {
    fn name(&self) -> &'static str {
        "InterPodAffinity"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        let rules = Rules::new(pod, cluster);
        if rules.required.is_empty()
            && rules.forbidden.is_empty()
            && rules.forbidding.is_empty()
            && !cluster.has_nominated()
        {
            return PreFilter::Skip;
        }
        let filter: Filter<'a> = Box::new(move |candidate| rules.check(candidate));
        PreFilter::Check(filter)
    }

    fn pre_score<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> Option<Score<'a>> {
        let counts = pod.counts().preferred.iter();
        let own: Vec<_> = counts.map(|(count, weight)| (cluster.counter(count), *weight)).collect();
        let others: Vec<_> = cluster.terms_about(pod).collect();
        if own.is_empty() && others.is_empty() {
            return None;
        }
        let topology = cluster.topology();
        let raw = move |node: &&NodeState| {
            let own = own.iter().map(|(counter, weight)| counter.at(counter.place_of(node.slot, topology)) * weight);
            let others = others.iter().map(|term| term.pull(term.place_of(node.slot, topology)));
            own.sum::<i64>() + others.sum::<i64>()
        };
        Some(Box::new(move |nodes| Ok(between(nodes.iter().map(&raw).collect()))))
    }

    fn helps(&self, pod: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(_) | Event::Namespace => true,
            Event::NodeChanged(_, what) => what.labels,
            Event::PodCame(other) => is_wanted(pod, other),
            Event::PodChanged(old, new) => {
                old.labels() != new.labels() && (is_wanted(pod, new) || is_unwanted(pod, old))
            }
            Event::PodGone(other) => is_unwanted(pod, other) || is_wanted(pod, other),
            _ => false,
        }
    }
}

/// What decides on nodes, looked up once.
struct Rules<'a> {
    pod: &'a PodRequest,
    cluster: &'a Snapshot,
    required: Vec<&'a Counter>,
    forbidden: Vec<&'a Counter>,
    forbidding: Vec<&'a OwnedTerm>,
    /// It is itself one of the pods that it wants to be near.
    wants_itself: bool,
}

impl<'a> Rules<'a> {
    fn new(pod: &'a PodRequest, cluster: &'a Snapshot) -> Self {
        let counts = pod.counts();
        let namespace = cluster.namespace_labels(&pod.name.namespace);
        let about = |term: &crate::pod::AffinityTerm| term.pods.matches(&pod.name.namespace, namespace, pod.labels());
        Self {
            pod,
            cluster,
            required: counts.required.iter().map(|count| cluster.counter(count)).collect(),
            forbidden: counts.forbidden.iter().map(|count| cluster.counter(count)).collect(),
            forbidding: cluster.terms_about(pod).collect(),
            wants_itself: pod.affinity.required.iter().all(about),
        }
    }

    fn check(&self, candidate: &Candidate<'_>) -> Verdict {
        if !self.is_near(candidate) {
            return Verdict::impossible("node(s) didn't match pod affinity rules");
        }
        if self.forbidden.iter().any(|counter| self.pods_there(counter, candidate) > 0) {
            return Verdict::refused("node(s) didn't match pod anti-affinity rules");
        }
        if self.forbidding.iter().any(|term| self.forbids(term, candidate)) || self.is_forbidden_by_new(candidate) {
            return Verdict::refused("node(s) didn't satisfy existing pods anti-affinity rules");
        }
        Verdict::Fits
    }

    /// All labels must be there, and pods in each place; but a pod that wants its own kind may be the first of it.
    fn is_near(&self, candidate: &Candidate<'_>) -> bool {
        let place = |counter: &Counter| counter.place_of(candidate.node.slot, self.cluster.topology());
        if self.required.iter().any(|counter| place(counter) == NOWHERE) {
            return false;
        }
        let near = self.required.iter().all(|counter| self.pods_there(counter, candidate) > 0);
        near || (self.wants_itself
            && self.required.iter().all(|counter| counter.total() + self.change(counter, candidate) <= 0))
    }

    fn pods_there(&self, counter: &Counter, candidate: &Candidate<'_>) -> i64 {
        let place = counter.place_of(candidate.node.slot, self.cluster.topology());
        if place == NOWHERE { 0 } else { counter.at(place) + self.change(counter, candidate) }
    }

    fn change(&self, counter: &Counter, candidate: &Candidate<'_>) -> i64 {
        if candidate.is_as_it_is() {
            return 0;
        }
        candidate.change(|pod| i64::from(counter.is_about(pod, self.cluster.namespace_labels(&pod.name.namespace))))
    }

    fn forbids(&self, owned: &OwnedTerm, candidate: &Candidate<'_>) -> bool {
        let place = owned.place_of(candidate.node.slot, self.cluster.topology());
        if place == NOWHERE {
            return false;
        }
        let says = |pod: &PodRequest| pod.affinity.forbidden.iter().filter(|term| *term == owned.term()).count();
        let gone: usize = candidate.gone.iter().map(|pod| says(pod)).sum();
        owned.forbidding(place) > i64::try_from(gone).unwrap_or(i64::MAX)
    }

    /// Pods only thought upon the node have no terms on record.
    fn is_forbidden_by_new(&self, candidate: &Candidate<'_>) -> bool {
        let (pod, namespace) = (self.pod, self.cluster.namespace_labels(&self.pod.name.namespace));
        let terms = candidate.come.iter().flat_map(|come| &come.affinity.forbidden);
        let mut near = terms.filter(|term| candidate.node.labels().contains_key(&term.topology_key));
        near.any(|term| term.pods.matches(&pod.name.namespace, namespace, pod.labels()))
    }
}

/// From the worst, 0, to the best, 100.
fn between(mut scores: Vec<i64>) -> Vec<i64> {
    let (least, most) = (scores.iter().copied().min().unwrap_or(0), scores.iter().copied().max().unwrap_or(0));
    let range = most - least;
    let normal = |score: i64| if range > 0 { (score - least) * MOST / range } else { 0 };
    scores.iter_mut().for_each(|score| *score = normal(*score));
    scores
}

/// Whether `other` may be one that `pod` wants near. Namespaces chosen by their labels are taken to match: a hint may say too much.
fn is_wanted(pod: &PodRequest, other: &PodRequest) -> bool {
    pod.affinity.required.iter().any(|term| term.pods.may_match(other))
}

/// Whether one of the two may want the other away.
fn is_unwanted(pod: &PodRequest, other: &PodRequest) -> bool {
    let keeps_away =
        |affinity: &PodAffinity, other: &PodRequest| affinity.forbidden.iter().any(|term| term.pods.may_match(other));
    keeps_away(&pod.affinity, other) || keeps_away(&other.affinity, pod)
}

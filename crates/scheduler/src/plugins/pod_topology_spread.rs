//! Pods of a kind lie evenly over zones, nodes, or whatever a node label tells apart.

use std::collections::HashSet;

use super::score::MOST;
use super::{Candidate, Plugin, PreFilter, Score, Verdict};
use crate::pod::Spread;
use crate::snapshot::{Counter, NOWHERE};
use crate::{Event, NodeState, PodRequest, Snapshot};

const HOSTNAME: &str = "kubernetes.io/hostname";

pub(super) struct PodTopologySpread;

impl Plugin for PodTopologySpread {
    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        let constraints = pod.spread.iter().filter(|spread| spread.hard).zip(&pod.counts().hard);
        let hard: Vec<_> = constraints
            .map(|(spread, count)| Hard {
                spread,
                counter: cluster.counter(count),
                itself: i64::from(spread.labels.matches(pod.labels())),
            })
            .collect();
        if hard.is_empty() {
            return PreFilter::Skip;
        }
        PreFilter::Check(Box::new(move |candidate| {
            let verdicts = hard.iter().map(|constraint| constraint.check(candidate, cluster));
            verdicts.into_iter().find(|verdict| *verdict != Verdict::Fits).unwrap_or(Verdict::Fits)
        }))
    }

    fn pre_score<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> Option<Score<'a>> {
        let wishes = cluster.wishes(pod);
        if wishes.is_empty() {
            return None;
        }
        let soft: Vec<_> = wishes
            .into_iter()
            .map(|(spread, count)| {
                let counter = cluster.counter(&count);
                (spread, counter)
            })
            .collect();
        let needs_all_labels = !pod.spread.is_empty();
        Some(Box::new(move |nodes| Ok(score(&soft, needs_all_labels, nodes, cluster))))
    }

    fn helps(&self, pod: &PodRequest, event: &Event<'_>) -> bool {
        let counts = |other: &PodRequest| {
            !other.terminating
                && other.name.namespace == pod.name.namespace
                && pod.spread.iter().any(|spread| spread.hard && spread.labels.matches(other.labels()))
        };
        let has_labels = |node: &NodeState| {
            pod.spread.iter().all(|spread| !spread.hard || node.labels().contains_key(&spread.topology_key))
        };
        match event {
            Event::NodeCame(node) => has_labels(node),
            Event::NodeChanged(_, what) => what.labels || what.taints,
            Event::NodeGone => true,
            Event::PodCame(other) | Event::PodGone(other) => counts(other),
            Event::PodChanged(old, new) => counts(old) != counts(new),
            _ => false,
        }
    }
}

/// One constraint that must hold.
struct Hard<'a> {
    spread: &'a Spread,
    counter: &'a Counter,
    /// 1 when the pod is one of those it counts.
    itself: i64,
}

impl Hard<'_> {
    fn check(&self, candidate: &Candidate<'_>, cluster: &Snapshot) -> Verdict {
        let place = self.counter.place_of(candidate.node.slot, cluster.topology());
        if place == NOWHERE {
            return Verdict::impossible(
                "node(s) didn't match pod topology spread constraints (missing required label)",
            );
        }
        let change = self.change(candidate, cluster);
        let few = self.counter.place_count() < self.spread.min_domains;
        let least = if few { 0 } else { self.counter.least(place, change) };
        if self.counter.at(place) + change + self.itself - least > self.spread.max_skew {
            return Verdict::refused("node(s) didn't match pod topology spread constraints");
        }
        Verdict::Fits
    }

    fn change(&self, candidate: &Candidate<'_>, cluster: &Snapshot) -> i64 {
        if candidate.is_as_it_is() || !self.counter.counts(candidate.node.slot) {
            return 0;
        }
        let is = |pod: &PodRequest| self.counter.is_about(pod, cluster.namespace_labels(&pod.name.namespace));
        candidate.change(|pod| i64::from(is(pod)))
    }
}

/// Fewer pods of the kind are better, more so where there are many places. Matches upstream's `podtopologyspread/scoring.go`.
fn score(soft: &[(Spread, &Counter)], needs_all_labels: bool, nodes: &[&NodeState], cluster: &Snapshot) -> Vec<i64> {
    let place = |counter: &Counter, node: &NodeState| counter.place_of(node.slot, cluster.topology());
    let ignored =
        |node: &NodeState| needs_all_labels && soft.iter().any(|(_, counter)| place(counter, node) == NOWHERE);
    let scored: Vec<_> = nodes.iter().filter(|node| !ignored(node)).collect();
    let weight = |(spread, counter): &(Spread, &Counter)| {
        let places = match spread.topology_key.as_str() {
            HOSTNAME => scored.len(),
            _ => scored.iter().map(|node| place(counter, node)).collect::<HashSet<_>>().len(),
        };
        weight_of(places)
    };
    let weights: Vec<f64> = soft.iter().map(weight).collect();
    let raw = |node: &NodeState| {
        let terms = soft.iter().zip(&weights).filter_map(|((spread, counter), weight)| {
            let place = place(counter, node);
            (place != NOWHERE).then(|| as_float(counter.at(place)) * weight + as_float(spread.max_skew - 1))
        });
        rounded(terms.sum())
    };
    let raw: Vec<_> = nodes.iter().map(|node| (!ignored(node)).then(|| raw(node))).collect();
    let (least, most) =
        (raw.iter().flatten().copied().min().unwrap_or(0), raw.iter().flatten().copied().max().unwrap_or(0));
    let normal = |raw: &Option<i64>| match raw {
        None => 0,
        Some(_) if most == 0 => MOST,
        Some(raw) => MOST * (most + least - raw) / most,
    };
    raw.iter().map(normal).collect()
}

fn weight_of(places: usize) -> f64 {
    as_float(i64::try_from(places + 2).unwrap_or(i64::MAX)).ln()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of pods and places lie far below 2^53")]
fn as_float(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a sum over a few constraints lies far below 2^53")]
fn rounded(number: f64) -> i64 {
    number.round() as i64
}

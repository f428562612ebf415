//! `nodeSelector` and node affinity.

use super::score::stretched;
use super::{Filter, Plugin, PreFilter, Score, Verdict};
use crate::{Event, NodeState, PodRequest, Snapshot};

pub(super) struct NodeAffinity;

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        if pod.nodes.is_any() {
            return PreFilter::Skip;
        }
        let verdict = |fits: bool| Verdict::impossible_if(!fits, "node(s) didn't match Pod's node affinity/selector");
        match pod.nodes.names() {
            Some(names) => {
                let filter: Filter<'a> = Box::new(move |candidate| verdict(chooses(pod, candidate.node)));
                PreFilter::Narrow(names.into_iter().map(str::to_owned).collect(), filter)
            }
            None => {
                let chosen = cluster.chosen(&pod.nodes);
                let is_chosen = move |node: &NodeState| chosen.get(node.slot).copied().unwrap_or(false);
                PreFilter::Check(Box::new(move |candidate| verdict(is_chosen(candidate.node))))
            }
        }
    }

    fn pre_score<'a>(&self, pod: &'a PodRequest, _: &'a Snapshot) -> Option<Score<'a>> {
        let preferred = pod.preferred_nodes();
        if preferred.is_empty() {
            return None;
        }
        Some(Box::new(move |nodes| {
            let won = |node: &&NodeState| {
                let matching = preferred.iter().filter(|(_, term)| term.matches(&node.name, node.labels()));
                matching.map(|(weight, _)| weight).sum()
            };
            Ok(stretched(nodes.iter().map(won).collect()))
        }))
    }

    fn helps(&self, pod: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(node) => chooses(pod, node),
            Event::NodeChanged(node, what) => what.labels && chooses(pod, node),
            _ => false,
        }
    }
}

fn chooses(pod: &PodRequest, node: &NodeState) -> bool {
    pod.nodes.matches(&node.name, node.labels())
}

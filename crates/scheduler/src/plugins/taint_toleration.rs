//! Taints keep pods away that do not tolerate them, and make nodes less welcome with `PreferNoSchedule`.

use sampan_api::taints::{repels, tolerated};

use super::score::reversed;
use super::{Plugin, PreFilter, Score, Verdict};
use crate::{Event, NodeState, PodRequest, Snapshot};

pub(super) struct TaintToleration;

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        if cluster.traits().repelling == 0 {
            return PreFilter::Skip;
        }
        PreFilter::Check(Box::new(|candidate| {
            Verdict::impossible_if(!lets_in(candidate.node, pod), "node(s) had untolerated taint(s)")
        }))
    }

    fn pre_score<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> Option<Score<'a>> {
        if cluster.traits().discouraging == 0 {
            return None;
        }
        let disliked = |node: &&NodeState| {
            let untolerated = node
                .taints()
                .iter()
                .filter(|taint| taint.effect == "PreferNoSchedule" && !tolerated(&pod.tolerations, taint));
            i64::try_from(untolerated.count()).unwrap_or(i64::MAX)
        };
        Some(Box::new(move |nodes| Ok(reversed(nodes.iter().map(disliked).collect()))))
    }

    fn helps(&self, pod: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(node) => lets_in(node, pod),
            Event::NodeChanged(node, what) => what.taints && lets_in(node, pod),
            _ => false,
        }
    }
}

fn lets_in(node: &NodeState, pod: &PodRequest) -> bool {
    node.taints().iter().all(|taint| !repels(taint) || tolerated(&pod.tolerations, taint))
}

//! `nodeSelector` and node affinity.

use super::{Plugin, Verdict};
use crate::labels::{selector_matches, term_matches};
use crate::{NodeState, PodRequest, Snapshot};
use sampan_api::k8s::api::core::v1::NodeAffinity as Affinity;

pub(super) struct NodeAffinity;

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn filter(&self, pod: &PodRequest, node: &NodeState, _: &Snapshot) -> Verdict {
        let labels = node.labels();
        let selected = pod.spec().and_then(|spec| spec.node_selector.as_ref()).into_iter().flatten();
        let selected = selected.into_iter().all(|(key, value)| labels.get(key) == Some(value));
        let required =
            affinity(pod).and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
        let required = required.is_none_or(|selector| selector_matches(selector, &node.name, labels));
        Verdict::refuse_if(!(selected && required), "node(s) didn't match Pod's node affinity/selector")
    }

    fn score(&self, pod: &PodRequest, node: &NodeState, _: &Snapshot) -> Option<u8> {
        let preferred = affinity(pod)?.preferred_during_scheduling_ignored_during_execution.as_ref()?;
        let total: i64 = preferred.iter().map(|term| i64::from(term.weight)).sum();
        let matching = preferred.iter().filter(|term| term_matches(&term.preference, &node.name, node.labels()));
        let won: i64 = matching.map(|term| i64::from(term.weight)).sum();
        u8::try_from(won * 100 / total.max(1)).ok()
    }

    fn weight(&self) -> u32 {
        2
    }
}

fn affinity(pod: &PodRequest) -> Option<&Affinity> {
    pod.spec()?.affinity.as_ref()?.node_affinity.as_ref()
}

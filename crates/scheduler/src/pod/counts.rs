//! What must be counted to decide on a pod.

use std::sync::Arc;

use super::{AffinityTerm, PodRequest, PodSelector, Spread};
use crate::snapshot::{Count, NodeScope};

/// The counts behind what a pod says about other pods, in the order it says it.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Per required affinity term: pods that *all* the terms mean.
    pub required: Vec<Arc<Count>>,
    /// Per required anti-affinity term.
    pub forbidden: Vec<Arc<Count>>,
    /// Per preference, with its weight.
    pub preferred: Vec<(Arc<Count>, i64)>,
    /// Per spread constraint that must hold.
    pub hard: Vec<Arc<Count>>,
    /// Per spread constraint that is a wish.
    pub soft: Vec<Arc<Count>>,
}

impl Counts {
    pub(super) fn new(pod: &PodRequest) -> Self {
        let affinity = &pod.affinity;
        let one = |term: &AffinityTerm| near(vec![term.pods.clone()], term);
        let all = || affinity.required.iter().map(|term| term.pods.clone()).collect();
        let of = |hard: bool| {
            let chosen: Vec<_> = pod.spread.iter().filter(|spread| spread.hard == hard).collect();
            spread_counts(pod, &chosen, true)
        };
        Self {
            required: affinity.required.iter().map(|term| near(all(), term)).collect(),
            forbidden: affinity.forbidden.iter().map(one).collect(),
            preferred: affinity.preferred.iter().map(|wish| (one(&wish.term), wish.weight)).collect(),
            hard: of(true),
            soft: of(false),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Count>> {
        let preferred = self.preferred.iter().map(|(count, _)| count);
        self.required.iter().chain(&self.forbidden).chain(preferred).chain(&self.hard).chain(&self.soft)
    }
}

/// What to count for constraints that are looked at together: only nodes with the labels of all of them are places, unless some may lack.
pub(crate) fn spread_counts(pod: &PodRequest, spreads: &[&Spread], all_labels: bool) -> Vec<Arc<Count>> {
    let mut keys: Vec<_> = spreads.iter().map(|spread| spread.topology_key.clone()).collect();
    keys.sort();
    keys.dedup();
    let count = |spread: &&Spread| {
        let nodes = NodeScope {
            keys: if all_labels { keys.clone() } else { Vec::new() },
            choice: if spread.honors_affinity { pod.nodes.clone() } else { Default::default() },
            tolerations: spread.honors_taints.then(|| pod.tolerations.clone()),
        };
        Arc::new(Count {
            pods: vec![PodSelector::within(&pod.name.namespace, spread.labels.clone())],
            topology_key: spread.topology_key.clone(),
            nodes,
            living: true,
        })
    };
    spreads.iter().map(count).collect()
}

fn near(pods: Vec<PodSelector>, term: &AffinityTerm) -> Arc<Count> {
    Arc::new(Count { pods, topology_key: term.topology_key.clone(), nodes: NodeScope::default(), living: false })
}

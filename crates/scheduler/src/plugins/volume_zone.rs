//! A volume labelled with a zone or a region is reached from there alone.

use super::{Plugin, PreFilter, Verdict};
use crate::{Event, PodRequest, Snapshot};

/// Labels that say where a volume is, with those that said it before.
const LABELS: [&str; 4] = [
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

pub(super) struct VolumeZone;

impl Plugin for VolumeZone {
    fn name(&self) -> &'static str {
        "VolumeZone"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        let mut wanted = Vec::new();
        for claim in &pod.claims {
            let volume = cluster.storage.claim(pod, claim).and_then(|object| cluster.storage.volume_of(object));
            let Some(labels) = volume.and_then(|volume| volume.metadata.labels.as_ref()) else { continue };
            for label in LABELS {
                let Some(values) = labels.get(label) else { continue };
                wanted.push((label, values.split("__").map(str::to_owned).collect::<Vec<_>>()));
            }
        }
        if wanted.is_empty() {
            return PreFilter::Skip;
        }
        PreFilter::Check(Box::new(move |candidate| {
            let labels = candidate.node.labels();
            // A cluster of one zone labels its nodes with none.
            let labelled = LABELS.iter().any(|label| labels.contains_key(*label));
            let there =
                |(label, values): &(&str, Vec<String>)| labels.get(*label).is_some_and(|value| values.contains(value));
            Verdict::impossible_if(labelled && !wanted.iter().all(there), "node(s) had no available volume zone")
        }))
    }

    fn helps(&self, pod: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(_) | Event::Storage => true,
            Event::NodeChanged(_, what) => what.labels,
            Event::Claim(namespace, name) => {
                *namespace == pod.name.namespace && pod.claims.iter().any(|claim| claim.name == *name)
            }
            _ => false,
        }
    }
}

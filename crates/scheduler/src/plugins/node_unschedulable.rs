//! Cordoned nodes take only pods that tolerate it.

use super::{Plugin, PreFilter, Verdict};
use crate::{Event, PodRequest, Snapshot};
use sampan_api::k8s::api::core::v1::Taint;
use sampan_api::taints::tolerated;

pub(super) struct NodeUnschedulable;

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        if cluster.traits().cordoned == 0 || tolerates(pod) {
            return PreFilter::Skip;
        }
        PreFilter::Check(Box::new(|candidate| {
            Verdict::impossible_if(candidate.node.unschedulable(), "node(s) were unschedulable")
        }))
    }

    fn helps(&self, _: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(node) => !node.unschedulable(),
            Event::NodeChanged(node, what) => what.taints && !node.unschedulable(),
            _ => false,
        }
    }
}

fn tolerates(pod: &PodRequest) -> bool {
    let cordon =
        Taint { key: "node.kubernetes.io/unschedulable".into(), effect: "NoSchedule".into(), ..Taint::default() };
    tolerated(&pod.tolerations, &cordon)
}

//! Cordoned nodes take only pods that tolerate it.

use super::taint_toleration::tolerates;
use super::{Plugin, Verdict};
use crate::{NodeState, PodRequest, Snapshot};
use sampan_api::k8s::api::core::v1::Taint;

pub(super) struct NodeUnschedulable;

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn filter(&self, pod: &PodRequest, node: &NodeState, _: &Snapshot) -> Verdict {
        if !node.unschedulable() {
            return Verdict::Fits;
        }
        let cordon =
            Taint { key: "node.kubernetes.io/unschedulable".into(), effect: "NoSchedule".into(), ..Taint::default() };
        Verdict::refuse_if(!tolerates(pod, &cordon), "node(s) were unschedulable")
    }
}

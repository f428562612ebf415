//! `spec.nodeName` given by the user binds nothing by itself here: such a pod never enters the queue. What remains is a node named in
//! affinity by field, which is `NodeAffinity`'s; so this plugin answers for pods whose name was set after they were queued.

use super::{Plugin, Verdict};
use crate::{NodeState, PodRequest, Snapshot};

pub(super) struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn filter(&self, pod: &PodRequest, node: &NodeState, _: &Snapshot) -> Verdict {
        let wanted = pod.spec().and_then(|spec| spec.node_name.as_deref()).filter(|name| !name.is_empty());
        Verdict::refuse_if(
            wanted.is_some_and(|wanted| wanted != node.name),
            "node(s) didn't match the requested node name",
        )
    }
}

//! Two pods cannot have the same port of one node.

use super::{Hint, Plugin, Verdict};
use crate::{NodeState, PodRequest, Snapshot};

pub(super) struct NodePorts;

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn filter(&self, pod: &PodRequest, node: &NodeState, _: &Snapshot) -> Verdict {
        let clash = pod.host_ports.iter().any(|wanted| node.host_ports.keys().any(|used| used.clashes_with(wanted)));
        Verdict::refuse_if(clash, "node(s) didn't have free ports for the requested pod ports")
    }

    fn hints(&self) -> &'static [Hint] {
        &[Hint::Node, Hint::PodGone]
    }
}

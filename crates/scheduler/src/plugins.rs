//! What makes a node fit, and which fitting node is better. One file a plugin, one line in [`all`].

mod node_affinity;
mod node_name;
mod node_ports;
mod node_resources_fit;
mod node_unschedulable;
mod taint_toleration;

use std::borrow::Cow;

use crate::{NodeState, PodRequest, Snapshot};

/// Whether a pod can run on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can.
    Fits,
    /// It cannot, for these reasons, in upstream's words: they are counted over the nodes in `FailedScheduling` events.
    Refused(Vec<Cow<'static, str>>),
}

impl Verdict {
    fn refuse_if(refused: bool, reason: &'static str) -> Self {
        if refused { Verdict::Refused(vec![Cow::Borrowed(reason)]) } else { Verdict::Fits }
    }
}

/// A kind of change in the cluster after which a refused pod may fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hint {
    /// A node came, or something of it that plugins look at changed.
    Node,
    /// A bound pod went, or asks for less now.
    PodGone,
}

/// One point of view on where pods should run. Every method but the name has a default.
pub trait Plugin: Send + Sync {
    /// Upstream's name of the plugin that does the same.
    fn name(&self) -> &'static str;

    /// Whether `pod` can run on `node`.
    fn filter(&self, pod: &PodRequest, node: &NodeState, cluster: &Snapshot) -> Verdict {
        let _ = (pod, node, cluster);
        Verdict::Fits
    }

    /// How good `node` is for `pod`, 0 to 100; `None` when the plugin has no opinion on this pod.
    fn score(&self, pod: &PodRequest, node: &NodeState, cluster: &Snapshot) -> Option<u8> {
        let _ = (pod, node, cluster);
        None
    }

    /// How much its score counts. Upstream's default weights.
    fn weight(&self) -> u32 {
        1
    }

    /// Changes that can turn its refusal into a fit.
    fn hints(&self) -> &'static [Hint] {
        &[Hint::Node]
    }
}

/// The plugins in the order they are asked, cheapest first.
pub fn all() -> Vec<Box<dyn Plugin>> {
    vec![
        Box::new(node_unschedulable::NodeUnschedulable),
        Box::new(node_name::NodeName),
        Box::new(taint_toleration::TaintToleration),
        Box::new(node_affinity::NodeAffinity),
        Box::new(node_ports::NodePorts),
        Box::new(node_resources_fit::NodeResourcesFit),
    ]
}

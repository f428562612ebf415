//! What makes a node fit, and which fitting node is better. One file a plugin, one line in [`all`].

mod image_locality;
mod inter_pod_affinity;
mod node_affinity;
mod node_name;
mod node_ports;
mod node_resources_balanced_allocation;
mod node_resources_fit;
mod node_unschedulable;
mod node_volume_limits;
mod pod_topology_spread;
mod score;
mod taint_toleration;
mod volume_binding;
mod volume_restrictions;
mod volume_zone;

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::{Event, NodeState, PodRequest, Snapshot};

/// Why a node will not do, in upstream's words: they are counted over the nodes in `FailedScheduling` events.
pub type Reason = Cow<'static, str>;

/// Whether a pod can run on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can.
    Fits,
    /// It cannot, but could if other pods went: upstream's `Unschedulable`.
    Refused(SmallVec<[Reason; 1]>),
    /// It cannot, whichever pods went: upstream's `UnschedulableAndUnresolvable`.
    Impossible(SmallVec<[Reason; 1]>),
    /// The plugin could not say: nothing is decided on the pod, which is tried again later.
    Failed(Failure),
}

/// A plugin did not answer: what it ran into, as the pod's event is to tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Verdict {
    /// Refuses for one reason that other pods make.
    pub fn refused(reason: &'static str) -> Self {
        Self::Refused(SmallVec::from_buf([Cow::Borrowed(reason)]))
    }

    /// Refuses for one reason that lies in the node.
    pub fn impossible(reason: &'static str) -> Self {
        Self::Impossible(SmallVec::from_buf([Cow::Borrowed(reason)]))
    }

    fn impossible_if(refused: bool, reason: &'static str) -> Self {
        if refused { Self::impossible(reason) } else { Self::Fits }
    }
}

/// A node as it is, or as it would be with some pods gone and some come.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The node with the changes below in its sums.
    pub node: &'a NodeState,
    /// Pods thought away from it.
    pub gone: &'a [Arc<PodRequest>],
    /// Pods thought upon it.
    pub come: &'a [Arc<PodRequest>],
}

impl Candidate<'_> {
    /// How many more pods there would be of those that `is` is true for.
    fn change(&self, is: impl Fn(&PodRequest) -> i64) -> i64 {
        let sum = |pods: &[Arc<PodRequest>]| pods.iter().map(|pod| is(pod)).sum::<i64>();
        sum(self.come) - sum(self.gone)
    }

    fn is_as_it_is(&self) -> bool {
        self.gone.is_empty() && self.come.is_empty()
    }
}

/// Asks whether the pod it was made for fits on a node.
pub type Filter<'a> = Box<dyn Fn(&Candidate<'_>) -> Verdict + 'a>;

/// Asks which of many nodes fit, at once; other pods make no difference to the answer.
pub type Sieve<'a> = Box<dyn Fn(&[&NodeState]) -> Result<Sifted, Failure> + 'a>;

/// What a [`Sieve`] holds back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sifted {
    /// Places in the question of the nodes that do not fit, ascending.
    pub refused: Vec<usize>,
    /// Why.
    pub reason: Reason,
}

/// Says how good nodes are for the pod it was made for, each from 0 to 100.
pub type Score<'a> = Box<dyn Fn(&[&NodeState]) -> Result<Vec<i64>, Failure> + 'a>;

/// What a plugin says of a pod before it has seen a node.
pub enum PreFilter<'a> {
    /// Every node will do.
    Skip,
    /// Each node must be asked about.
    Check(Filter<'a>),
    /// As `Check`, but only these nodes can fit.
    Narrow(Vec<String>, Filter<'a>),
    /// Nodes must be asked about, and better many at once than each by itself.
    Sift(Sieve<'a>),
    /// No node will do, whichever pods went.
    Refuse(Reason),
}

/// One point of view on where pods should run. Every method but the name has a default.
///
/// # Contract
/// The closures of [`Plugin::pre_filter`] and [`Plugin::pre_score`] are made once a decision and called for many nodes: what does not
/// depend on the node is worked out before. They may be called for nodes that are not as the snapshot has them ([`Candidate`]).
pub trait Plugin: Send + Sync {
    /// Upstream's name of the plugin that does the same, or the name an extension was given.
    fn name(&self) -> &str;

    /// Whether it has anything to say of which nodes fit.
    fn filters(&self) -> bool {
        true
    }

    /// Whether it has anything to say of which nodes are better. Of those in [`all`] their weight says so.
    fn scores(&self) -> bool {
        true
    }

    /// Looks at the pod before any node.
    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        let _ = (pod, cluster);
        PreFilter::Skip
    }

    /// How good nodes are for `pod`; `None` when the plugin has no opinion on this pod: all nodes alike.
    fn pre_score<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> Option<Score<'a>> {
        let _ = (pod, cluster);
        None
    }

    /// Whether `event` can turn its refusal of `pod` into a fit. Upstream's queueing hint.
    fn helps(&self, pod: &PodRequest, event: &Event<'_>) -> bool {
        let _ = pod;
        matches!(event, Event::NodeCame(_))
    }
}

/// The plugins in the order they are asked, cheapest first, with upstream's default weights.
pub fn all() -> Vec<(Box<dyn Plugin>, i64)> {
    vec![
        (Box::new(node_unschedulable::NodeUnschedulable), 0),
        (Box::new(node_name::NodeName), 0),
        (Box::new(taint_toleration::TaintToleration), 3),
        (Box::new(node_affinity::NodeAffinity), 2),
        (Box::new(node_ports::NodePorts), 0),
        (Box::new(node_resources_fit::NodeResourcesFit), 1),
        (Box::new(volume_restrictions::VolumeRestrictions), 0),
        (Box::new(node_volume_limits::NodeVolumeLimits), 0),
        (Box::new(volume_binding::VolumeBinding), 0),
        (Box::new(volume_zone::VolumeZone), 0),
        (Box::new(pod_topology_spread::PodTopologySpread), 2),
        (Box::new(inter_pod_affinity::InterPodAffinity), 2),
        (Box::new(node_resources_balanced_allocation::NodeResourcesBalancedAllocation), 1),
        (Box::new(image_locality::ImageLocality), 1),
    ]
}

#[cfg(test)]
mod tests;

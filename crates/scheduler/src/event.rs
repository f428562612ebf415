//! What happens in the cluster that may help a pod that found no node: upstream's `ClusterEvent`.

use crate::{NodeState, PodRequest};

/// One change, as plugins are asked whether it can help (see [`crate::Plugin::helps`]).
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A node came.
    NodeCame(&'a NodeState),
    /// Something changed of a node, as it now is.
    NodeChanged(&'a NodeState, NodeChange),
    /// A node went: fewer places to spread over.
    NodeGone,
    /// A pod was bound to a node.
    PodCame(&'a PodRequest),
    /// A bound pod has other labels, or asks for less.
    PodChanged(&'a PodRequest, &'a PodRequest),
    /// A bound pod is gone from its node, or is being deleted.
    PodGone(&'a PodRequest),
    /// A claim came or changed: its namespace and name.
    Claim(&'a str, &'a str),
    /// A volume, a storage class, or what a storage driver says of nodes and capacity came or changed.
    Storage,
    /// The labels of a namespace changed.
    Namespace,
}

/// What changed of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeChange {
    /// It can allocate more or less.
    pub allocatable: bool,
    /// Its labels.
    pub labels: bool,
    /// Its taints, or whether it is cordoned.
    pub taints: bool,
    /// Its images.
    pub images: bool,
}

impl NodeChange {
    /// Whether anything changed that a plugin looks at.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

//! What the scheduler knows of nodes and of the pods on them, kept current by small changes instead of being built anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Node, Taint};

use crate::pod::HostPort;
use crate::{PodRequest, Resources};

/// One node and the sum of what runs there.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    /// The node's name.
    pub name: String,
    /// The object; absent while only its pods are known.
    pub node: Option<Arc<Node>>,
    /// What pods may use of it.
    pub allocatable: Resources,
    /// How many pods it takes.
    pub most_pods: i64,
    /// Sum of the requests of its pods.
    pub requested: Resources,
    /// Ports of the node in use, with how many pods claim each.
    pub host_ports: BTreeMap<HostPort, u32>,
    pods: HashMap<String, Arc<PodRequest>>,
}

impl NodeState {
    /// Labels of the node.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.node.as_ref().and_then(|node| node.metadata.labels.as_ref()).unwrap_or(&NONE)
    }

    /// Taints of the node.
    pub fn taints(&self) -> &[Taint] {
        self.node.as_ref().and_then(|node| node.spec.as_ref()?.taints.as_deref()).unwrap_or_default()
    }

    /// `spec.unschedulable`: cordoned.
    pub fn unschedulable(&self) -> bool {
        self.node.as_ref().and_then(|node| node.spec.as_ref()?.unschedulable).unwrap_or(false)
    }

    /// What is left for further pods.
    pub fn free(&self) -> Resources {
        let mut free = self.allocatable.clone();
        free.subtract(&self.requested);
        free
    }

    /// How many pods are on it.
    pub fn pod_count(&self) -> usize {
        self.pods.len()
    }

    fn set_node(&mut self, node: Arc<Node>) {
        let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
        self.allocatable = allocatable.map(Resources::from_list).unwrap_or_default();
        let pods = allocatable.and_then(|list| sampan_meta::Quantity::parse(&list.get("pods")?.0).ok());
        self.most_pods = pods.map_or(0, |pods| pods.value());
        self.node = Some(node);
    }

    fn add(&mut self, pod: Arc<PodRequest>) {
        self.requested.add(&pod.resources);
        for port in &pod.host_ports {
            *self.host_ports.entry(port.clone()).or_default() += 1;
        }
        self.pods.insert(pod.uid.clone(), pod);
    }

    fn remove(&mut self, uid: &str) {
        let Some(pod) = self.pods.remove(uid) else { return };
        self.requested.subtract(&pod.resources);
        for port in &pod.host_ports {
            if let Some(count) = self.host_ports.get_mut(port) {
                *count -= 1;
            }
        }
        self.host_ports.retain(|_, count| *count > 0);
    }
}

/// All nodes. Pods are counted where they are bound or assumed.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    nodes: BTreeMap<String, NodeState>,
    /// Where each pod is counted, by UID.
    placed: HashMap<String, String>,
}

impl Snapshot {
    /// Nodes that exist, in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeState> {
        self.nodes.values().filter(|state| state.node.is_some())
    }

    /// One node that exists.
    pub fn node(&self, name: &str) -> Option<&NodeState> {
        self.nodes.get(name).filter(|state| state.node.is_some())
    }

    /// Adds a node or takes its new state.
    pub fn set_node(&mut self, node: Arc<Node>) {
        let name = node.metadata.name.clone().unwrap_or_default();
        self.state(&name).set_node(node);
    }

    /// Forgets a node; pods still bound to it are kept in mind in case it comes back.
    pub fn remove_node(&mut self, name: &str) {
        let Some(state) = self.nodes.get_mut(name) else { return };
        state.node = None;
        self.forget_if_empty(name);
    }

    /// Counts `pod` on `node`, and nowhere else any more.
    pub fn place(&mut self, pod: Arc<PodRequest>, node: &str) {
        self.remove(&pod.uid.clone());
        self.placed.insert(pod.uid.clone(), node.to_owned());
        self.state(node).add(pod);
    }

    /// Counts the pod no longer. Returns the node it was on.
    pub fn remove(&mut self, uid: &str) -> Option<String> {
        let node = self.placed.remove(uid)?;
        if let Some(state) = self.nodes.get_mut(&node) {
            state.remove(uid);
        }
        self.forget_if_empty(&node);
        Some(node)
    }

    /// Whether the pod is bound or assumed somewhere.
    pub fn is_placed(&self, uid: &str) -> bool {
        self.placed.contains_key(uid)
    }

    fn state(&mut self, name: &str) -> &mut NodeState {
        self.nodes.entry(name.to_owned()).or_insert_with(|| NodeState { name: name.to_owned(), ..NodeState::default() })
    }

    fn forget_if_empty(&mut self, name: &str) {
        if self.nodes.get(name).is_some_and(|state| state.node.is_none() && state.pods.is_empty()) {
            self.nodes.remove(name);
        }
    }
}

//! One node and the sum of what runs there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Node, Taint};

use crate::pod::HostPort;
use crate::selector::Labels;
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
    /// Sum of what its pods weigh: CPU and memory.
    pub weight: (i64, i64),
    /// Ports of the node in use, with how many pods claim each.
    pub host_ports: BTreeMap<HostPort, u32>,
    /// Container images there, with their size in bytes.
    pub images: Arc<HashMap<String, i64>>,
    /// Its number in the snapshot.
    pub(crate) slot: usize,
    /// In the order of their UIDs.
    pods: Vec<Arc<PodRequest>>,
}

impl NodeState {
    pub(super) fn named(name: &str, slot: usize) -> Self {
        Self { name: name.to_owned(), slot, ..Self::default() }
    }

    /// Labels of the node.
    pub fn labels(&self) -> &Labels {
        static NONE: Labels = Labels::new();
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

    /// Its number in the snapshot, kept while it exists.
    pub fn number(&self) -> usize {
        self.slot
    }

    /// How many pods are on it.
    pub fn pod_count(&self) -> i64 {
        i64::try_from(self.pods.len()).unwrap_or(i64::MAX)
    }

    /// The pods on it, ordered by UID.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<PodRequest>> {
        self.pods.iter()
    }

    /// The zone, with its region: nodes of different zones take turns.
    pub(super) fn zone(&self) -> (&str, &str) {
        let label = |key: &str| self.labels().get(key).map_or("", String::as_str);
        (label("topology.kubernetes.io/region"), label("topology.kubernetes.io/zone"))
    }

    /// The node as it would be without `gone` and with `come`.
    pub fn changed<'a>(
        &self,
        gone: impl IntoIterator<Item = &'a Arc<PodRequest>>,
        come: impl IntoIterator<Item = &'a Arc<PodRequest>>,
    ) -> Self {
        let mut changed = self.clone();
        gone.into_iter().for_each(|pod| drop(changed.remove(&pod.uid)));
        come.into_iter().for_each(|pod| changed.add(pod.clone()));
        changed
    }

    pub(super) fn set_node(&mut self, node: Arc<Node>) {
        let status = node.status.as_ref();
        let allocatable = status.and_then(|status| status.allocatable.as_ref());
        self.allocatable = allocatable.map(Resources::from_list).unwrap_or_default();
        let pods = allocatable.and_then(|list| sampan_meta::Quantity::parse(&list.get("pods")?.0).ok());
        self.most_pods = pods.map_or(0, |pods| pods.value());
        let images = status.and_then(|status| status.images.as_deref()).unwrap_or_default().iter();
        let named = images.flat_map(|image| {
            let size = image.size_bytes.unwrap_or(0);
            image.names.iter().flatten().map(move |name| (name.clone(), size))
        });
        self.images = Arc::new(named.collect());
        self.node = Some(node);
    }

    pub(crate) fn add(&mut self, pod: Arc<PodRequest>) {
        self.requested.add(&pod.resources);
        self.weight.0 += pod.weight.0;
        self.weight.1 += pod.weight.1;
        for port in &pod.host_ports {
            *self.host_ports.entry(port.clone()).or_default() += 1;
        }
        match self.find(&pod.uid) {
            Ok(at) => self.pods[at] = pod,
            Err(at) => self.pods.insert(at, pod),
        }
    }

    pub(crate) fn remove(&mut self, uid: &str) -> Option<Arc<PodRequest>> {
        let at = self.find(uid).ok()?;
        let pod = self.pods.remove(at);
        self.requested.subtract(&pod.resources);
        self.weight.0 -= pod.weight.0;
        self.weight.1 -= pod.weight.1;
        for port in &pod.host_ports {
            if let Some(count) = self.host_ports.get_mut(port) {
                *count -= 1;
                if *count == 0 {
                    self.host_ports.remove(port);
                }
            }
        }
        Some(pod)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    pub(super) fn get(&self, uid: &str) -> Option<&Arc<PodRequest>> {
        self.find(uid).ok().map(|at| &self.pods[at])
    }

    fn find(&self, uid: &str) -> Result<usize, usize> {
        self.pods.binary_search_by(|pod| pod.uid.as_str().cmp(uid))
    }
}

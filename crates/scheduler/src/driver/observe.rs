//! What a change in the cluster does to the queue and the snapshot.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use sampan_api::k8s::api::apps::v1::{ReplicaSet, StatefulSet};
use sampan_api::k8s::api::core::v1::{Namespace, Node, PersistentVolumeClaim, Pod, ReplicationController, Service};
use sampan_api::k8s::api::policy::v1::PodDisruptionBudget;
use sampan_client::{Change, Resource};
use sampan_meta::NamespacedName;

use super::feeds::News;
use super::{Scheduler, profile_of, wake};
use crate::preempt::Budget;
use crate::selector::Selector;
use crate::{Event, NodeChange, PodRequest};

impl Scheduler {
    pub(super) fn observe(&mut self, news: News) {
        let storage = &mut self.snapshot.storage;
        match news {
            News::Pod(change) => return self.pod_changed(&change),
            News::Node(change) => return self.node_changed(&change),
            News::Namespace(change) => return self.namespace_changed(&change),
            News::Claim(change) => return self.claim_changed(&change),
            News::Done(outcome) => return self.done(outcome),
            News::Service(change) => return self.service_changed(&change),
            News::ReplicationController(change) => {
                return self.owner_changed("ReplicationController", &change, of_replication_controller);
            }
            News::ReplicaSet(change) => return self.owner_changed("ReplicaSet", &change, of_replica_set),
            News::StatefulSet(change) => return self.owner_changed("StatefulSet", &change, of_stateful_set),
            News::Budget(change) => return self.budget_changed(&change),
            News::Volume(change) => note(&mut storage.volumes, name_of(&change).name, change.new),
            News::Class(change) => note(&mut storage.classes, name_of(&change).name, change.new),
            News::CsiNode(change) => note(&mut storage.csi_nodes, name_of(&change).name, change.new),
            News::Driver(change) => note(&mut storage.drivers, name_of(&change).name, change.new),
            News::Capacity(change) => note(&mut storage.capacities, name_of(&change), change.new),
        }
        wake(&mut self.queue, &self.profiles, &Event::Storage);
    }

    fn service_changed(&mut self, change: &Change<Service>) {
        let (name, workloads) = (name_of(change), &mut self.snapshot.workloads);
        match &change.new {
            Some(service) => {
                let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
                workloads.set_service(&name, selector);
            }
            None => workloads.remove_service(&name),
        }
    }

    /// A workload whose pods belong together by its `selector`.
    fn owner_changed<K: Resource<DynamicType = ()>>(
        &mut self,
        kind: &str,
        change: &Change<K>,
        selector: fn(&K) -> Selector,
    ) {
        let (name, workloads) = (name_of(change), &mut self.snapshot.workloads);
        match &change.new {
            Some(owner) => workloads.set_owner(kind, name, selector(owner)),
            None => workloads.remove_owner(kind, &name),
        }
    }

    fn budget_changed(&mut self, change: &Change<PodDisruptionBudget>) {
        let (name, budgets) = (name_of(change), &mut self.snapshot.budgets);
        match &change.new {
            Some(budget) => budgets.set(&name, Budget::new(budget)),
            None => budgets.remove(&name),
        }
    }

    fn claim_changed(&mut self, change: &Change<PersistentVolumeClaim>) {
        let name = name_of(change);
        note(&mut self.snapshot.storage.claims, name.clone(), change.new.clone());
        wake(&mut self.queue, &self.profiles, &Event::Claim(&name.namespace, &name.name));
    }

    fn namespace_changed(&mut self, change: &Change<Namespace>) {
        let name = name_of(change).name;
        match &change.new {
            Some(namespace) => {
                self.snapshot.set_namespace(&name, namespace.metadata.labels.clone().unwrap_or_default());
            }
            None => self.snapshot.remove_namespace(&name),
        }
        wake(&mut self.queue, &self.profiles, &Event::Namespace);
    }

    fn pod_changed(&mut self, change: &Change<Pod>) {
        let uid = change.object().metadata.uid.clone().unwrap_or_default();
        match &change.new {
            Some(pod) if !has_ended(pod) => self.pod_is(pod, &uid),
            _ => {
                self.queue.remove(&uid);
                self.snapshot.forget_nomination(&uid);
                self.freed(&uid);
            }
        }
    }

    fn pod_is(&mut self, pod: &Arc<Pod>, uid: &str) {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).filter(|node| !node.is_empty());
        let request = Arc::new(PodRequest::new(pod.clone()));
        match node {
            Some(node) => self.pod_is_bound(request, &node),
            None if self.is_ours(&request) => self.pod_waits(request),
            None => {
                self.queue.remove(uid);
                self.snapshot.forget_nomination(uid);
            }
        }
    }

    fn pod_is_bound(&mut self, pod: Arc<PodRequest>, node: &str) {
        self.queue.remove(&pod.uid);
        let before = self.snapshot.placed(&pod.uid).map(|(before, at)| (before.clone(), at == node));
        if before.as_ref().is_some_and(|(before, same_node)| *same_node && !before.differs_from(&pod)) {
            return;
        }
        self.snapshot.place(pod.clone(), node);
        let event = match &before {
            Some((before, true)) if is_bound(before) => Event::PodChanged(before, &pod),
            _ => Event::PodCame(&pod),
        };
        wake(&mut self.queue, &self.profiles, &event);
    }

    fn pod_waits(&mut self, pod: Arc<PodRequest>) {
        if self.snapshot.is_placed(&pod.uid) {
            return self.queue.refresh(pod);
        }
        match self.queue.get(&pod.uid) {
            Some(before) if !before.differs_from(&pod) => self.queue.refresh(pod),
            Some(_) => self.queue.add(pod),
            None => {
                // Room that was made before this scheduler began. Later it knows better than the status what it has made.
                if let Some(node) = pod.nominated() {
                    self.snapshot.nominate(pod.clone(), node);
                }
                self.queue.add(pod);
            }
        }
    }

    /// A pod for this scheduler that may be bound now: not being deleted, no gates left.
    fn is_ours(&self, pod: &PodRequest) -> bool {
        let gates = pod.spec().and_then(|spec| spec.scheduling_gates.as_ref());
        profile_of(&self.profiles, pod).is_some() && !pod.terminating && gates.is_none_or(Vec::is_empty)
    }

    fn node_changed(&mut self, change: &Change<Node>) {
        let name = change.object().metadata.name.clone().unwrap_or_default();
        let Some(node) = &change.new else {
            self.snapshot.remove_node(&name);
            return wake(&mut self.queue, &self.profiles, &Event::NodeGone);
        };
        let what = self.snapshot.node(&name).and_then(|state| state.node.as_deref()).map(|old| difference(old, node));
        if what.is_some_and(|what| !what.any()) {
            return;
        }
        self.snapshot.set_node(node.clone());
        let Some(state) = self.snapshot.node(&name) else { return };
        let event = what.map_or(Event::NodeCame(state), |what| Event::NodeChanged(state, what));
        wake(&mut self.queue, &self.profiles, &event);
    }
}

fn of_replication_controller(owner: &ReplicationController) -> Selector {
    let labels = owner.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    labels.map_or_else(Selector::nothing, Selector::having)
}

fn of_replica_set(owner: &ReplicaSet) -> Selector {
    Selector::new(owner.spec.as_ref().map(|spec| &spec.selector))
}

fn of_stateful_set(owner: &StatefulSet) -> Selector {
    Selector::new(owner.spec.as_ref().map(|spec| &spec.selector))
}

/// Keeps what is there and drops what is not.
fn note<N, K, M: Extend<(N, Arc<K>)> + Forget<N>>(map: &mut M, name: N, object: Option<Arc<K>>) {
    match object {
        Some(object) => map.extend([(name, object)]),
        None => map.forget(&name),
    }
}

/// A map from which an entry can be taken.
trait Forget<N> {
    fn forget(&mut self, name: &N);
}

impl<N: Ord, K> Forget<N> for BTreeMap<N, K> {
    fn forget(&mut self, name: &N) {
        self.remove(name);
    }
}

impl<N: Eq + Hash, K> Forget<N> for HashMap<N, K> {
    fn forget(&mut self, name: &N) {
        self.remove(name);
    }
}

/// What changed that a plugin looks at; heartbeats do not.
fn difference(old: &Node, new: &Node) -> NodeChange {
    let allocatable = |node: &Node| node.status.as_ref().and_then(|status| status.allocatable.clone());
    let images = |node: &Node| node.status.as_ref().and_then(|status| status.images.clone());
    NodeChange {
        allocatable: allocatable(old) != allocatable(new),
        labels: old.metadata.labels != new.metadata.labels,
        taints: old.spec != new.spec,
        images: images(old) != images(new),
    }
}

fn is_bound(pod: &PodRequest) -> bool {
    pod.spec().and_then(|spec| spec.node_name.as_deref()).is_some_and(|node| !node.is_empty())
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn name_of<K: Resource<DynamicType = ()>>(change: &Change<K>) -> NamespacedName {
    let metadata = change.object().meta();
    NamespacedName {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

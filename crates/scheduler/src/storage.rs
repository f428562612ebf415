//! What the scheduler knows of storage: claims, volumes, classes, and what drivers say.

mod plan;
mod volume;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use sampan_api::k8s::api::storage::v1::{CSIDriver, CSINode, CSIStorageCapacity, StorageClass};
use sampan_meta::NamespacedName;

use crate::PodRequest;
use crate::pod::Claim;

pub use plan::VolumePlan;
pub(crate) use plan::{NodeConflict, plan};

/// Provisioners write into a claim where it is wanted, and the scheduler says it by this annotation.
pub(crate) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";

/// Claims, volumes and classes, and what has been decided about them and is not written yet.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// Claims by name.
    pub claims: HashMap<NamespacedName, Arc<PersistentVolumeClaim>>,
    /// Volumes by name.
    pub volumes: BTreeMap<String, Arc<PersistentVolume>>,
    /// Storage classes by name.
    pub classes: BTreeMap<String, Arc<StorageClass>>,
    /// What drivers say of nodes, by node.
    pub csi_nodes: HashMap<String, Arc<CSINode>>,
    /// Drivers by name.
    pub drivers: HashMap<String, Arc<CSIDriver>>,
    /// How much can still be provisioned where.
    pub capacities: BTreeMap<NamespacedName, Arc<CSIStorageCapacity>>,
    /// Volumes given to claims, with the pod for which.
    taken: BTreeMap<String, (NamespacedName, String)>,
    /// Nodes near which claims will be provisioned, with the pod for which.
    promised: BTreeMap<NamespacedName, (String, String)>,
    /// How many placed pods use each claim.
    users: HashMap<NamespacedName, i64>,
}

impl Storage {
    /// Counts on a plan from now on.
    pub fn assume(&mut self, pod: &PodRequest, node: &str, plan: &VolumePlan) {
        for (volume, claim) in &plan.bind {
            self.taken.insert(volume.clone(), (claim.clone(), pod.uid.clone()));
        }
        for claim in &plan.provision {
            self.promised.insert(claim.clone(), (node.to_owned(), pod.uid.clone()));
        }
    }

    /// What was decided for a pod has been written, or will not be.
    pub fn forget(&mut self, uid: &str) {
        self.taken.retain(|_, (_, pod)| pod != uid);
        self.promised.retain(|_, (_, pod)| pod != uid);
    }

    /// A pod came to a node (`change` 1) or left it (-1).
    pub(crate) fn count_users(&mut self, pod: &PodRequest, change: i64) {
        for claim in &pod.claims {
            let name = name_of(pod, claim);
            let users = self.users.entry(name.clone()).or_default();
            *users += change;
            if *users == 0 {
                self.users.remove(&name);
            }
        }
    }

    pub(crate) fn users(&self, name: &NamespacedName) -> i64 {
        self.users.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn claim(&self, pod: &PodRequest, claim: &Claim) -> Option<&Arc<PersistentVolumeClaim>> {
        self.claims.get(&name_of(pod, claim))
    }

    /// The volume of a claim that is bound.
    pub(crate) fn volume_of(&self, claim: &PersistentVolumeClaim) -> Option<&Arc<PersistentVolume>> {
        self.volumes.get(claim.spec.as_ref()?.volume_name.as_deref()?)
    }

    pub(crate) fn class_of(&self, claim: &PersistentVolumeClaim) -> Option<&Arc<StorageClass>> {
        self.classes.get(class_name(claim)?)
    }

    /// Whether a claim that is not bound waits for its first pod.
    pub(crate) fn waits_for_pod(&self, claim: &PersistentVolumeClaim) -> bool {
        let given = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default();
        let mode = self.class_of(claim).and_then(|class| class.volume_binding_mode.as_deref());
        given.is_empty() && mode == Some("WaitForFirstConsumer")
    }
}

/// Where a pod's claim lies.
pub(crate) fn name_of(pod: &PodRequest, claim: &Claim) -> NamespacedName {
    NamespacedName { namespace: pod.name.namespace.clone(), name: claim.name.clone() }
}

/// Whether a claim has its volume for good.
pub(crate) fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default();
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    !volume.is_empty() && (annotation(claim, BIND_COMPLETED).is_some() || phase == Some("Bound"))
}

/// The class a claim asks for, by its field or the annotation that was before it.
pub(crate) fn class_name(claim: &PersistentVolumeClaim) -> Option<&str> {
    let old = annotation(claim, "volume.beta.kubernetes.io/storage-class");
    old.or(claim.spec.as_ref()?.storage_class_name.as_deref())
}

/// The node that a claim is to be provisioned for.
pub(crate) fn selected_node(claim: &PersistentVolumeClaim) -> Option<&str> {
    annotation(claim, SELECTED_NODE)
}

fn annotation<'a>(claim: &'a PersistentVolumeClaim, name: &str) -> Option<&'a str> {
    claim.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

#[cfg(test)]
mod tests;

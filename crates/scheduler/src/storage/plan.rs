//! What has to be done about a pod's claims for it to run on a node, if it can. Upstream's `volumebinding` binder.

use std::collections::BTreeSet;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use sampan_api::k8s::api::storage::v1::StorageClass;
use sampan_meta::NamespacedName;

use super::volume::{asked, bytes, capacity, is_large_enough, is_meant_for, matches_node, will_do};
use super::{Storage, is_bound, name_of, selected_node};
use crate::selector::Selector;
use crate::{NodeState, PodRequest};

/// What to write before a pod is bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumePlan {
    /// Volumes to give to claims.
    pub bind: Vec<(String, NamespacedName)>,
    /// Claims to have provisioned near the node.
    pub provision: Vec<NamespacedName>,
}

impl VolumePlan {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.bind.is_empty() && self.provision.is_empty()
    }
}

/// Why a pod's volumes cannot be had on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeConflict {
    /// A bound volume cannot be reached from there.
    pub(crate) out_of_reach: bool,
    /// A bound volume does not exist.
    pub(crate) missing: bool,
    /// Nothing can be bound or provisioned.
    pub(crate) unbound: bool,
    /// The driver has too little left there.
    pub(crate) no_space: bool,
}

/// What to do about the pod's claims on `node`. Claims that do not exist are another's business.
pub(crate) fn plan(pod: &PodRequest, node: &NodeState, storage: &Storage) -> Result<VolumePlan, NodeConflict> {
    let mut conflict = NodeConflict::default();
    let mut to_bind = Vec::new();
    for claim in &pod.claims {
        let Some(object) = storage.claim(pod, claim) else { continue };
        if !is_bound(object) {
            to_bind.push((name_of(pod, claim), object));
            continue;
        }
        match storage.volume_of(object) {
            None => conflict.missing = true,
            Some(volume) => conflict.out_of_reach |= !matches_node(volume, node),
        }
    }
    // The small claims choose first, or they would take what only large volumes can give.
    to_bind.sort_by_cached_key(|(name, claim)| (asked(claim), name.clone()));
    to_bind.dedup_by(|one, other| one.0 == other.0);
    let mut plan = VolumePlan::default();
    let mut chosen = BTreeSet::new();
    for (name, claim) in to_bind {
        bind(name, claim, node, storage, &mut plan, &mut chosen, &mut conflict);
    }
    if conflict == NodeConflict::default() { Ok(plan) } else { Err(conflict) }
}

fn bind<'a>(
    name: NamespacedName,
    claim: &PersistentVolumeClaim,
    node: &NodeState,
    storage: &'a Storage,
    plan: &mut VolumePlan,
    chosen: &mut BTreeSet<&'a str>,
    conflict: &mut NodeConflict,
) {
    let promised = storage.promised.get(&name).map(|(node, _)| node.as_str());
    if let Some(selected) = selected_node(claim).or(promised) {
        if selected != node.name {
            conflict.unbound = true;
            return;
        }
    } else if let Some((found, _)) = find(claim, &name, node, storage, chosen) {
        chosen.insert(found);
        plan.bind.push((found.to_owned(), name));
        return;
    }
    match storage.class_of(claim).map(|class| can_provision(class, claim, node, storage)) {
        Some(Provision::Yes) => plan.provision.push(name),
        Some(Provision::NoSpace) => conflict.no_space = true,
        Some(Provision::No) | None => conflict.unbound = true,
    }
}

/// The volume made for this claim, or else the smallest that will do.
fn find<'a>(
    claim: &PersistentVolumeClaim,
    name: &NamespacedName,
    node: &NodeState,
    storage: &'a Storage,
    chosen: &BTreeSet<&str>,
) -> Option<(&'a str, &'a Arc<PersistentVolume>)> {
    let free = |volume: &&(&'a String, &'a Arc<PersistentVolume>)| {
        let taken = storage.taken.get(volume.0).is_some_and(|(by, _)| by != name);
        !taken && !chosen.contains(volume.0.as_str()) && matches_node(volume.1, node)
    };
    let candidates: Vec<_> = storage.volumes.iter().collect();
    let meant = candidates
        .iter()
        .filter(|(_, volume)| is_meant_for(volume, claim) && is_large_enough(volume, claim))
        .find(free);
    let fitting = || {
        let fitting = candidates.iter().filter(|(_, volume)| will_do(volume, claim)).filter(free);
        fitting.min_by_key(|(_, volume)| capacity(volume))
    };
    meant.or_else(fitting).map(|(name, volume)| (name.as_str(), *volume))
}

enum Provision {
    Yes,
    No,
    NoSpace,
}

fn can_provision(
    class: &StorageClass,
    claim: &PersistentVolumeClaim,
    node: &NodeState,
    storage: &Storage,
) -> Provision {
    if matches!(class.provisioner.as_str(), "" | "kubernetes.io/no-provisioner") || !is_allowed(class, node) {
        return Provision::No;
    }
    let driver = storage.drivers.get(&class.provisioner);
    let tells_capacity = driver.and_then(|driver| driver.spec.storage_capacity).unwrap_or(false);
    if !tells_capacity || has_space(class, asked(claim), node, storage) { Provision::Yes } else { Provision::NoSpace }
}

/// Whether a class may be provisioned near a node.
fn is_allowed(class: &StorageClass, node: &NodeState) -> bool {
    let terms = class.allowed_topologies.as_deref().unwrap_or_default();
    let holds = |term: &sampan_api::k8s::api::core::v1::TopologySelectorTerm| {
        let mut requirements = term.match_label_expressions.iter().flatten();
        requirements.all(|one| node.labels().get(&one.key).is_some_and(|value| one.values.contains(value)))
    };
    terms.is_empty() || terms.iter().any(holds)
}

fn has_space(class: &StorageClass, wanted: i64, node: &NodeState, storage: &Storage) -> bool {
    storage.capacities.values().any(|capacity| {
        let limit = capacity.maximum_volume_size.as_ref().or(capacity.capacity.as_ref()).map(bytes);
        Some(capacity.storage_class_name.as_str()) == class.metadata.name.as_deref()
            && limit.is_some_and(|limit| limit >= wanted)
            && Selector::new(capacity.node_topology.as_ref()).matches(node.labels())
    })
}

//! What is wanted where, from the watches; and which changes lead to which nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Node, PersistentVolume, Pod};
use sampan_api::k8s::api::storage::v1::VolumeAttachment;
use sampan_api::pod;
use sampan_api::volume::{claim_name, claim_names, claim_phase, is_given_to, volume_name};
use sampan_client::{Change, Informer, ResourceExt};

use super::AttachDetach;
use super::plan::{self, Wanted};
use crate::controller::{Key, Watch};
use crate::node_lifecycle;

/// Attachments by their node.
pub(super) const BY_NODE: &str = "node";
/// Attachments by the volume they are of.
const BY_VOLUME: &str = "volume";
/// Pods by the claims (`namespace/name`) they name.
const BY_CLAIM: &str = "claim";

pub(super) fn add_indices(pods: &Informer<Pod>, attachments: &Informer<VolumeAttachment>) {
    pods.add_index(BY_CLAIM, |pod| {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        claim_names(pod).into_iter().map(|claim| Key::new(namespace.clone(), claim).to_string()).collect()
    });
    attachments.add_index(BY_NODE, |attachment| vec![attachment.spec.node_name.clone()]);
    attachments
        .add_index(BY_VOLUME, |attachment| attachment.spec.source.persistent_volume_name.clone().into_iter().collect());
}

impl AttachDetach {
    /// What pods on the node want there, each volume once, with all who want it.
    pub(super) fn wanted(&self, name: &str, node: Option<&Node>) -> Vec<Wanted> {
        let Some(node) = node.filter(|node| plan::is_managed(node)) else { return Vec::new() };
        let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
        for pod in self.pods.by_index(node_lifecycle::BY_NODE, name) {
            if !plan::holds_volumes(&pod, node) {
                continue;
            }
            for volume in self.volumes_of(&pod) {
                let Some(one) = plan::wanted(&volume, name, &|driver| self.needs_attaching(driver)) else { continue };
                wanted.entry(one.attachment.clone()).or_insert(one).pods.push(pod.clone());
            }
        }
        wanted.into_values().collect()
    }

    fn volumes_of(&self, pod: &Pod) -> Vec<Arc<PersistentVolume>> {
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        volumes.filter_map(|volume| self.bound(pod, &claim_name(pod, volume)?, volume.ephemeral.is_some())).collect()
    }

    /// The volume of a claim that has one for certain, and, if it is to be the pod's own, is that.
    fn bound(&self, pod: &Pod, claim: &str, ephemeral: bool) -> Option<Arc<PersistentVolume>> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let claim = self.claims.get(&Key::new(namespace, claim)).filter(|claim| claim_phase(claim) == "Bound")?;
        let mut owners = claim.metadata.owner_references.iter().flatten();
        if ephemeral && !owners.any(|owner| Some(&owner.uid) == pod.metadata.uid.as_ref()) {
            return None;
        }
        self.volumes.get(&Key::new("", volume_name(&claim)?)).filter(|volume| is_given_to(volume, &claim))
    }

    /// A driver nobody has told of is taken for one that needs it, as upstream.
    fn needs_attaching(&self, driver: &str) -> bool {
        self.drivers.get(&Key::new("", driver)).is_none_or(|driver| driver.spec.attach_required != Some(false))
    }

    /// By volume that is wanted: the pods of other nodes at which it is, if it is at any.
    pub(super) fn elsewhere(&self, node: &str, wanted: &[Wanted]) -> BTreeMap<String, Vec<Arc<Pod>>> {
        let mut elsewhere = BTreeMap::new();
        for wanted in wanted {
            let others: BTreeSet<String> = self
                .attachments
                .by_index(BY_VOLUME, &wanted.volume)
                .iter()
                .map(|attachment| attachment.spec.node_name.clone())
                .filter(|other| other != node)
                .collect();
            if !others.is_empty() {
                elsewhere.insert(wanted.volume.clone(), self.users(&wanted.volume, &others));
            }
        }
        elsewhere
    }

    fn users(&self, volume: &str, nodes: &BTreeSet<String>) -> Vec<Arc<Pod>> {
        let on_them = |pod: &Arc<Pod>| pod::node_name(pod).is_some_and(|node| nodes.contains(node));
        self.pods_of_volume(volume).into_iter().filter(|pod| on_them(pod) && !pod::is_terminal(pod)).collect()
    }

    fn pods_of_volume(&self, volume: &str) -> Vec<Arc<Pod>> {
        let volume = self.volumes.get(&Key::new("", volume));
        let claim = volume.and_then(|volume| claim_of(&volume));
        claim.map(|claim| self.pods.by_index(BY_CLAIM, &claim.to_string())).unwrap_or_default()
    }
}

fn claim_of(volume: &PersistentVolume) -> Option<Key> {
    let reference = volume.spec.as_ref()?.claim_ref.as_ref()?;
    Some(Key::new(reference.namespace.clone()?, reference.name.clone()?))
}

fn nodes_of(pods: &[Arc<Pod>]) -> Vec<Key> {
    let nodes: BTreeSet<&str> = pods.iter().filter_map(|pod| pod::node_name(pod)).collect();
    nodes.into_iter().map(|node| Key::new("", node)).collect()
}

/// A change of a pod matters when it names a claim.
fn node_of(change: &Change<Pod>) -> Vec<Key> {
    let pod = change.object();
    if claim_names(pod).is_empty() { Vec::new() } else { nodes_of(std::slice::from_ref(pod)) }
}

pub(super) fn watches(of: &AttachDetach) -> Vec<Watch> {
    let pods = of.pods.clone();
    let claims = Watch::new(&of.claims, move |change| {
        let claim = change.object();
        let claim = Key::new(claim.namespace().unwrap_or_default(), claim.name_any());
        nodes_of(&pods.by_index(BY_CLAIM, &claim.to_string()))
    });
    let (pods, attachments) = (of.pods.clone(), of.attachments.clone());
    let volumes = Watch::new(&of.volumes, move |change| {
        let volume = change.object();
        let at = attachments.by_index(BY_VOLUME, &volume.name_any());
        let users = claim_of(volume).map(|claim| pods.by_index(BY_CLAIM, &claim.to_string())).unwrap_or_default();
        nodes_of(&users).into_iter().chain(at.iter().map(|at| Key::new("", &*at.spec.node_name))).collect()
    });
    // Once it is gone from one node, another may have it; and once it is there, another is to be told why it has not.
    let (pods, known) = (of.pods.clone(), of.volumes.clone());
    let attachments = Watch::new(&of.attachments, move |change| {
        let attachment = change.object();
        let volume = attachment.spec.source.persistent_volume_name.as_ref();
        let volume = volume.and_then(|volume| known.get(&Key::new("", volume.as_str())));
        let claim = volume.and_then(|volume| claim_of(&volume));
        let waiting = claim.map(|claim| pods.by_index(BY_CLAIM, &claim.to_string())).unwrap_or_default();
        nodes_of(&waiting).into_iter().chain([Key::new("", &*attachment.spec.node_name)]).collect()
    });
    let nodes = of.nodes.clone();
    let drivers =
        Watch::new(&of.drivers, move |_| nodes.list().iter().map(|node| Key::new("", node.name_any())).collect());
    vec![Watch::each(&of.nodes), Watch::new(&of.pods, node_of), claims, volumes, attachments, drivers]
}

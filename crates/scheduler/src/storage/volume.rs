//! Which volume will do for which claim on which node.

use sampan_api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use sampan_api::k8s::apimachinery::pkg::api::resource::Quantity as WireQuantity;
use sampan_api::node_choice::NodeTerms;
use sampan_meta::Quantity;

use super::class_name;
use crate::NodeState;
use crate::selector::Selector;

/// Whether a volume can be reached from a node.
pub(super) fn matches_node(volume: &PersistentVolume, node: &NodeState) -> bool {
    let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref()?.required.as_ref());
    affinity.is_none_or(|terms| NodeTerms::new(terms).match_node(&node.name, node.labels()))
}

/// How many bytes a claim asks for.
pub(super) fn asked(claim: &PersistentVolumeClaim) -> i64 {
    let requests = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
    requests.and_then(|requests| requests.get("storage")).map_or(0, bytes)
}

/// How many bytes a volume has.
pub(super) fn capacity(volume: &PersistentVolume) -> i64 {
    let capacity = volume.spec.as_ref().and_then(|spec| spec.capacity.as_ref());
    capacity.and_then(|capacity| capacity.get("storage")).map_or(0, bytes)
}

pub(super) fn bytes(quantity: &WireQuantity) -> i64 {
    Quantity::parse(&quantity.0).map_or(0, |quantity| quantity.value())
}

/// Whether a volume is given to this claim already, by whoever made it.
pub(super) fn is_meant_for(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    reference.is_some_and(|reference| {
        reference.name == claim.metadata.name
            && reference.namespace == claim.metadata.namespace
            && reference.uid.as_deref().is_none_or(|uid| uid.is_empty() || Some(uid) == claim.metadata.uid.as_deref())
    })
}

/// Whether a volume that nobody has will do for a claim. Upstream's `volume.FindMatchingVolume`.
pub(super) fn will_do(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let (Some(spec), Some(wanted)) = (&volume.spec, &claim.spec) else { return false };
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    let labels = volume.metadata.labels.clone().unwrap_or_default();
    spec.claim_ref.is_none()
        && phase == Some("Available")
        && spec.storage_class_name.as_deref().unwrap_or_default() == class_name(claim).unwrap_or_default()
        && wanted.selector.as_ref().is_none_or(|selector| Selector::new(Some(selector)).matches(&labels))
        && is_large_enough(volume, claim)
        && wanted.access_modes.iter().flatten().all(|mode| spec.access_modes.iter().flatten().any(|has| has == mode))
}

/// Whether a volume is as large as asked, of the mode asked for, and will stay.
pub(super) fn is_large_enough(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let mode = |mode: Option<&String>| mode.map_or("Filesystem", String::as_str).to_owned();
    let has = mode(volume.spec.as_ref().and_then(|spec| spec.volume_mode.as_ref()));
    let wanted = mode(claim.spec.as_ref().and_then(|spec| spec.volume_mode.as_ref()));
    volume.metadata.deletion_timestamp.is_none() && has == wanted && capacity(volume) >= asked(claim)
}

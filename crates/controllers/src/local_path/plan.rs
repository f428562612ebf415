//! What the provisioner of `local-path` does about a claim or a volume. Pure.
//!
//! As provisioners over upstream's `sig-storage-lib-external-provisioner` behave: their annotations, names, reasons and messages.

use sampan_api::k8s::api::core::v1::{
    LocalVolumeSource, Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PersistentVolume,
    PersistentVolumeClaim, PersistentVolumeSpec, VolumeNodeAffinity,
};
use sampan_api::k8s::api::storage::v1::StorageClass;
use sampan_api::k8s::apimachinery::pkg::api::resource::Quantity as WireQuantity;
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_api::local_path::{DIRECTORY_ANNOTATION, FINALIZER, NODE_LABEL, PROVISIONER};
use sampan_api::volume::{
    self, PROVISIONED_BY, SELECTED_NODE, annotation, capacity, claim_mode, claim_phase, requested, volume_name,
    volume_phase,
};

use crate::persistent_volume::reference;

const HOSTNAME: &str = "kubernetes.io/hostname";

/// What to do about a claim.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ClaimPlan {
    /// It is another's, or has all it asks for.
    Nothing,
    /// Its volume is to be made.
    Make(Box<PersistentVolume>),
    /// It cannot be made like this; a person has to change something.
    Refuse(String),
    /// The node it was to be made for is gone: the scheduler chooses again.
    Reschedule(Box<PersistentVolumeClaim>),
    /// The volume shall say that it is larger.
    GrowVolume(Box<PersistentVolume>),
    /// The claim shall say that it is larger.
    GrowClaim(Box<PersistentVolumeClaim>),
}

/// What is known about a claim's surroundings.
#[derive(Default)]
pub(super) struct View<'a> {
    pub(super) class: Option<&'a StorageClass>,
    /// The node the claim selects, if there is one of that name.
    pub(super) node: Option<&'a Node>,
    /// The volume the claim is given to.
    pub(super) volume: Option<&'a PersistentVolume>,
}

/// The node a claim's volume is to be made for.
pub(super) fn selected_node(claim: &PersistentVolumeClaim) -> Option<&str> {
    annotation(&claim.metadata, SELECTED_NODE)
}

/// Whether the binder has called for this provisioner.
pub(super) fn is_called(claim: &PersistentVolumeClaim) -> bool {
    annotation(&claim.metadata, volume::PROVISIONER[0]) == Some(PROVISIONER)
}

/// Whether this provisioner made the volume.
pub(super) fn is_ours(volume: &PersistentVolume) -> bool {
    annotation(&volume.metadata, PROVISIONED_BY) == Some(PROVISIONER)
}

pub(super) fn claim(claim: &PersistentVolumeClaim, view: &View<'_>) -> ClaimPlan {
    if let Some(volume) = view.volume.filter(|volume| is_ours(volume) && volume::is_given_to(volume, claim)) {
        return grow(claim, volume);
    }
    if volume_name(claim).is_some() || !is_called(claim) || claim.metadata.deletion_timestamp.is_some() {
        return ClaimPlan::Nothing;
    }
    let Some(class) = view.class.filter(|class| class.provisioner == PROVISIONER) else { return ClaimPlan::Nothing };
    if let Err(why) = check(claim, class) {
        return ClaimPlan::Refuse(why);
    }
    let Some(selected) = selected_node(claim) else {
        let why = "its volumes lie on a node's disk, so the class must have volumeBindingMode WaitForFirstConsumer";
        return ClaimPlan::Refuse(why.to_owned());
    };
    let Some(node) = view.node else {
        let mut changed = claim.clone();
        changed.metadata.annotations.get_or_insert_default().remove(SELECTED_NODE);
        return ClaimPlan::Reschedule(Box::new(changed));
    };
    match annotation(&node.metadata, DIRECTORY_ANNOTATION) {
        Some(directory) => ClaimPlan::Make(Box::new(make(claim, class, node, directory))),
        None => ClaimPlan::Refuse(format!(
            "node {selected:?} does not say where volumes lie on it ({DIRECTORY_ANNOTATION})"
        )),
    }
}

/// What a plain directory cannot give is refused, not ignored.
fn check(claim: &PersistentVolumeClaim, class: &StorageClass) -> Result<(), String> {
    let spec = claim.spec.as_ref();
    let copies = spec.is_some_and(|spec| spec.data_source.is_some() || spec.data_source_ref.is_some());
    match () {
        () if class.parameters.as_ref().is_some_and(|given| !given.is_empty()) => {
            Err("the class has parameters, of which this provisioner knows none".to_owned())
        }
        () if claim_mode(claim) != "Filesystem" => Err("only volumes of volumeMode Filesystem can be made".to_owned()),
        () if spec.is_some_and(|spec| spec.selector.is_some()) => Err("claim Selector is not supported".to_owned()),
        () if copies => Err("a volume cannot be made from a data source".to_owned()),
        () => Ok(()),
    }
}

fn make(claim: &PersistentVolumeClaim, class: &StorageClass, node: &Node, directory: &str) -> PersistentVolume {
    let name = format!("pvc-{}", claim.metadata.uid.as_deref().unwrap_or_default());
    let node_name = node.metadata.name.clone().unwrap_or_default();
    let hostname = node.metadata.labels.as_ref().and_then(|labels| labels.get(HOSTNAME));
    let is_there = NodeSelectorRequirement {
        key: HOSTNAME.to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![hostname.unwrap_or(&node_name).clone()]),
    };
    let term = NodeSelectorTerm { match_expressions: Some(vec![is_there]), match_fields: None };
    let spec = claim.spec.as_ref();
    PersistentVolume {
        metadata: ObjectMeta {
            annotations: Some([(PROVISIONED_BY.to_owned(), PROVISIONER.to_owned())].into()),
            labels: Some([(NODE_LABEL.to_owned(), node_name)].into()),
            finalizers: Some(vec![FINALIZER.to_owned()]),
            name: Some(name.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeSpec {
            access_modes: spec.and_then(|spec| spec.access_modes.clone()),
            capacity: Some([("storage".to_owned(), WireQuantity(requested(claim).to_string()))].into()),
            claim_ref: Some(reference(claim)),
            local: Some(LocalVolumeSource {
                path: format!("{}/{name}", directory.trim_end_matches('/')),
                fs_type: None,
            }),
            node_affinity: Some(VolumeNodeAffinity {
                required: Some(NodeSelector { node_selector_terms: vec![term] }),
            }),
            persistent_volume_reclaim_policy: class.reclaim_policy.clone(),
            storage_class_name: class.metadata.name.clone(),
            volume_mode: Some("Filesystem".to_owned()),
            ..PersistentVolumeSpec::default()
        }),
        status: None,
    }
}

/// A directory has no bounds of its own: growing is a matter of saying so, first by the volume. Whether it may is admission's.
fn grow(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> ClaimPlan {
    let asked = requested(claim);
    let wire = |amount: &sampan_meta::Quantity| WireQuantity(amount.to_string());
    if claim_phase(claim) != "Bound" || claim.metadata.deletion_timestamp.is_some() {
        return ClaimPlan::Nothing;
    }
    if capacity(volume) < asked {
        let mut larger = volume.clone();
        let spec = larger.spec.get_or_insert_default();
        spec.capacity.get_or_insert_default().insert("storage".to_owned(), wire(&asked));
        return ClaimPlan::GrowVolume(Box::new(larger));
    }
    let has = volume::amount(claim.status.as_ref().and_then(|status| status.capacity.as_ref()?.get("storage")));
    if has >= asked {
        return ClaimPlan::Nothing;
    }
    let mut larger = claim.clone();
    let status = larger.status.get_or_insert_default();
    status.capacity.get_or_insert_default().insert("storage".to_owned(), wire(&capacity(volume)));
    ClaimPlan::GrowClaim(Box::new(larger))
}

/// What to do about a volume.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum VolumePlan {
    Nothing,
    /// Its claim is gone. The object stays until its node has removed the directory.
    Delete,
    /// The node will never come back to remove the directory: nothing is left to wait for.
    LetGo(Box<PersistentVolume>),
}

/// `node_is_there`: whether there is a node of the volume's label.
pub(super) fn volume(volume: &PersistentVolume, node_is_there: bool) -> VolumePlan {
    let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    let going = volume.metadata.deletion_timestamp.is_some();
    let held = volume.metadata.finalizers.iter().flatten().any(|held| held == FINALIZER);
    match volume_phase(volume) {
        _ if !is_ours(volume) => VolumePlan::Nothing,
        "Released" if !going && policy == Some("Delete") => VolumePlan::Delete,
        "Bound" => VolumePlan::Nothing,
        _ if going && held && !node_is_there => {
            let mut changed = volume.clone();
            changed.metadata.finalizers.get_or_insert_default().retain(|held| held != FINALIZER);
            VolumePlan::LetGo(Box::new(changed))
        }
        _ => VolumePlan::Nothing,
    }
}

/// The node a volume of ours lies on.
pub(super) fn node_of(volume: &PersistentVolume) -> Option<&str> {
    volume.metadata.labels.as_ref()?.get(NODE_LABEL).map(String::as_str)
}

#[cfg(test)]
mod tests;

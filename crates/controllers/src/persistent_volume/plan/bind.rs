//! The steps of a binding, and the states that follow from it.

use sampan_api::k8s::api::core::v1::{ObjectReference, PersistentVolume, PersistentVolumeClaim};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_api::volume::{BIND_COMPLETED, BOUND_BY_CONTROLLER, annotation, is_given_to, volume_name, volume_phase};

use super::{Plan, Step};

/// The next step of giving the volume to the claim: the volume's pointer, the claim's, what the claim says about it.
pub(super) fn bind(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Plan {
    let step = given(volume, claim).map(|volume| Step::Volume(Box::new(volume)));
    let step = step.or_else(|| taken(claim, volume).map(|claim| Step::Claim(Box::new(claim))));
    step.unwrap_or_else(|| claim_status(claim, "Bound", Some(volume))).into()
}

/// What a volume points to its claim with.
pub(crate) fn reference(claim: &PersistentVolumeClaim) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("PersistentVolumeClaim".to_owned()),
        namespace: claim.metadata.namespace.clone(),
        name: claim.metadata.name.clone(),
        uid: claim.metadata.uid.clone(),
        resource_version: claim.metadata.resource_version.clone(),
        field_path: None,
    }
}

/// The volume with its pointer to the claim; `None`: it has it.
fn given(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Option<PersistentVolume> {
    let mut changed = volume.clone();
    let reference = reference(claim);
    if !is_given_to(volume, claim) {
        mark(&mut changed.metadata, BOUND_BY_CONTROLLER);
    }
    let spec = changed.spec.get_or_insert_default();
    let holds_uid = spec.claim_ref.as_ref().is_some_and(|known| known.uid == reference.uid);
    if !is_given_to(volume, claim) || !holds_uid {
        spec.claim_ref = Some(reference);
    }
    (changed != *volume).then_some(changed)
}

/// The claim with its pointer to the volume; `None`: it has it.
fn taken(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> Option<PersistentVolumeClaim> {
    let mut changed = claim.clone();
    if volume_name(claim) != volume.metadata.name.as_deref() {
        changed.spec.get_or_insert_default().volume_name = volume.metadata.name.clone();
        mark(&mut changed.metadata, BOUND_BY_CONTROLLER);
    }
    mark(&mut changed.metadata, BIND_COMPLETED);
    (changed != *claim).then_some(changed)
}

fn mark(meta: &mut ObjectMeta, name: &str) {
    if annotation(meta, name).is_none() {
        meta.annotations.get_or_insert_default().insert(name.to_owned(), "yes".to_owned());
    }
}

/// The claim's status. What it holds is copied from the volume when it becomes bound; growing is another's business.
pub(super) fn claim_status(claim: &PersistentVolumeClaim, phase: &str, volume: Option<&PersistentVolume>) -> Step {
    let mut changed = claim.clone();
    let status = changed.status.get_or_insert_default();
    let was_bound = status.phase.as_deref() == Some("Bound");
    match volume.and_then(|volume| volume.spec.as_ref()) {
        None => {
            status.access_modes = None;
            status.capacity = None;
        }
        Some(spec) => {
            status.access_modes = spec.access_modes.clone();
            if !was_bound || status.capacity.is_none() {
                status.capacity = spec.capacity.clone();
                status.current_volume_attributes_class_name = spec.volume_attributes_class_name.clone();
            }
        }
    }
    status.phase = Some(phase.to_owned());
    if changed == *claim { Step::Settled } else { Step::ClaimStatus(Box::new(changed)) }
}

/// The volume's phase, with the reason in words where it failed.
pub(super) fn volume_status(volume: &PersistentVolume, phase: &str, message: Option<&str>) -> Step {
    if volume_phase(volume) == phase {
        return Step::Settled;
    }
    let mut changed = volume.clone();
    let status = changed.status.get_or_insert_default();
    status.phase = Some(phase.to_owned());
    status.message = message.map(str::to_owned);
    Step::VolumeStatus(Box::new(changed))
}

/// The volume without its claim: forgotten when it was our idea, else still kept for a claim of that name.
pub(super) fn unbound(volume: &PersistentVolume) -> Step {
    let mut changed = volume.clone();
    let ours = annotation(&volume.metadata, BOUND_BY_CONTROLLER).is_some();
    let spec = changed.spec.get_or_insert_default();
    match &mut spec.claim_ref {
        Some(reference) if !ours => reference.uid = None,
        reference => *reference = None,
    }
    if let Some(annotations) = &mut changed.metadata.annotations {
        annotations.remove(BOUND_BY_CONTROLLER);
    }
    Step::Volume(Box::new(changed))
}

//! Which volume will do for a claim. As upstream's `component-helpers/storage/volume/pv_helpers.go` and
//! `pkg/controller/volume/persistentvolume/index.go`.

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use sampan_api::volume::{
    capacity, claim_class, claim_mode, is_given_to, requested, volume_class, volume_mode, volume_phase,
};

use crate::ownership::selector;

/// The best volume for the claim: of those with the fewest access modes the one that is kept for it, else the smallest. `delayed`: only
/// the scheduler gives away volumes that nobody has.
pub(crate) fn find<'a>(
    claim: &PersistentVolumeClaim,
    volumes: &'a [Arc<PersistentVolume>],
    delayed: bool,
) -> Option<&'a Arc<PersistentVolume>> {
    let fits = |volume: &&Arc<PersistentVolume>| {
        serves(volume, claim).is_ok() && (is_given_to(volume, claim) || (!delayed && is_free(volume, claim)))
    };
    volumes.iter().filter(fits).min_by_key(|volume| {
        let given = is_given_to(volume, claim);
        (access_modes(volume).len(), !given, capacity(volume), volume.metadata.name.clone())
    })
}

/// Whether the volume is to be had, and of the kind the claim wants.
fn is_free(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let unclaimed = volume.spec.as_ref().is_some_and(|spec| spec.claim_ref.is_none());
    let wanted = claim.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    // A selector that cannot be read selects nothing.
    let selected = wanted.is_none_or(|wanted| {
        selector(wanted).is_ok_and(|selector| sampan_client::informer::matches(&selector, volume))
    });
    let class = volume_class(volume) == claim_class(claim).unwrap_or_default();
    unclaimed && volume_phase(volume) == "Available" && class && selected
}

/// Whether a volume that is kept for a claim, or that it asks for by name, can serve it.
fn serves(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Result<(), &'static str> {
    let attributes = |name: Option<&String>| name.cloned().unwrap_or_default();
    let of_volume = attributes(volume.spec.as_ref().and_then(|spec| spec.volume_attributes_class_name.as_ref()));
    let of_claim = attributes(claim.spec.as_ref().and_then(|spec| spec.volume_attributes_class_name.as_ref()));
    match () {
        () if capacity(volume) < requested(claim) => Err("requested PV is too small"),
        () if of_volume != of_claim => Err("volumeAttributesClassName does not match"),
        () if volume_mode(volume) != claim_mode(claim) => Err("incompatible volumeMode"),
        () if !has_modes(volume, claim) => Err("incompatible accessMode"),
        () if volume.metadata.deletion_timestamp.is_some() => Err("it is being deleted"),
        () => Ok(()),
    }
}

/// Why a volume that the claim names is not for it, in upstream's words (`checkVolumeSatisfyClaim`).
pub(crate) fn satisfies(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Result<(), String> {
    if volume.metadata.deletion_timestamp.is_some() {
        let name = volume.metadata.name.as_deref().unwrap_or_default();
        return Err(format!("the volume is marked for deletion {name:?}"));
    }
    if capacity(volume) >= requested(claim) && volume_class(volume) != claim_class(claim).unwrap_or_default() {
        return Err("storageClassName does not match".to_owned());
    }
    serves(volume, claim).map_err(str::to_owned)
}

fn access_modes(volume: &PersistentVolume) -> &[String] {
    volume.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default()
}

fn has_modes(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let wanted = claim.spec.iter().flat_map(|spec| spec.access_modes.iter().flatten());
    wanted.into_iter().all(|mode| access_modes(volume).contains(mode))
}

//! What to do next about a volume.

use sampan_api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use sampan_api::volume::{PROVISIONED_BY, annotation, claim_mode, volume_mode, volume_name, volume_phase};

use super::bind::{unbound, volume_status};
use super::{Plan, Step};

/// Plans the next step for a volume. `claim`: the claim its pointer names, if that exists, of whatever uid.
pub(crate) fn volume(volume: &PersistentVolume, claim: Option<&PersistentVolumeClaim>) -> Plan {
    let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    // A pointer without a uid keeps the volume for a claim of that name that has not come yet.
    let Some(uid) = reference.and_then(|reference| reference.uid.as_deref()).filter(|uid| !uid.is_empty()) else {
        return volume_status(volume, "Available", None).into();
    };
    let Some(claim) = claim.filter(|claim| claim.metadata.uid.as_deref() == Some(uid)) else {
        return released(volume);
    };
    match volume_name(claim) {
        Some(name) if Some(name) == volume.metadata.name.as_deref() => volume_status(volume, "Bound", None).into(),
        // Made for a claim that found another one meanwhile.
        Some(_) if provisioner(volume).is_some() && policy(volume) == "Delete" => released(volume),
        Some(_) => unbound(volume).into(),
        None if volume_mode(volume) != claim_mode(claim) => {
            let name = claim.metadata.name.as_deref().unwrap_or_default();
            let message = format!(
                "Cannot bind PersistentVolume to requested PersistentVolumeClaim {name:?} due to incompatible volumeMode."
            );
            Plan::from(Step::Settled).warning("VolumeMismatch", message)
        }
        // The claim's own turn.
        None => Step::Settled.into(),
    }
}

fn policy(volume: &PersistentVolume) -> &str {
    let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    policy.unwrap_or("Retain")
}

/// Who made the volume, unless that was a provisioner inside upstream's controllers.
fn provisioner(volume: &PersistentVolume) -> Option<&str> {
    annotation(&volume.metadata, PROVISIONED_BY).filter(|by| !by.starts_with("kubernetes.io/"))
}

fn released(volume: &PersistentVolume) -> Plan {
    match volume_phase(volume) {
        "Released" => reclaim(volume),
        "Failed" => Step::Settled.into(),
        _ => volume_status(volume, "Released", None).into(),
    }
}

/// What becomes of a volume whose claim is gone. Its provisioner sees to it itself; for the others nobody can.
fn reclaim(volume: &PersistentVolume) -> Plan {
    let name = volume.metadata.name.as_deref().unwrap_or_default();
    let (reason, message) = match policy(volume) {
        "Retain" => return Step::Settled.into(),
        "Delete" if provisioner(volume).is_some() => return Step::Settled.into(),
        "Delete" => {
            let why = "no deletable volume plugin matched";
            ("VolumeFailedDelete", format!("error getting deleter volume plugin for volume {name:?}: {why}"))
        }
        "Recycle" => ("VolumeFailedRecycle", "No recycler plugin found for the volume!".to_owned()),
        _ => ("VolumeUnknownReclaimPolicy", "Volume has an unrecognized reclaim policy".to_owned()),
    };
    Plan::from(volume_status(volume, "Failed", Some(&message))).warning(reason, message)
}

//! What to do next about a claim.

use sampan_api::k8s::api::core::v1::PersistentVolumeClaim;
use sampan_api::k8s::api::storage::v1::StorageClass;
use sampan_api::volume::{
    BIND_COMPLETED, PROVISIONER, SELECTED_NODE, annotation, claim_class, is_given_to, volume_name,
};

use super::bind::{bind, claim_status};
use super::matching::{find, satisfies};
use super::{Plan, Step, View};

/// Plans the next step for a claim.
pub(crate) fn claim(claim: &PersistentVolumeClaim, view: &View<'_>) -> Plan {
    if annotation(&claim.metadata, BIND_COMPLETED).is_some() {
        return bound(claim, view);
    }
    match volume_name(claim) {
        Some(name) => particular(claim, name, view),
        None => any(claim, view),
    }
}

/// It had a volume once. Without it the data is lost, and nothing may pretend otherwise.
fn bound(claim: &PersistentVolumeClaim, view: &View<'_>) -> Plan {
    let Some(name) = volume_name(claim) else {
        return lost(
            claim,
            "ClaimLost",
            "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
        );
    };
    let Some(volume) = view.volumes.iter().find(|volume| volume.metadata.name.as_deref() == Some(name)) else {
        return lost(claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
    };
    let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    // Upstream goes by the uid alone; a pointer without one was taken back by us and is put right.
    if reference.is_none() || is_given_to(volume, claim) {
        return bind(volume, claim);
    }
    lost(claim, "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")
}

fn lost(claim: &PersistentVolumeClaim, reason: &'static str, message: &str) -> Plan {
    let step = claim_status(claim, "Lost", None);
    let told = step == Step::Settled;
    let plan = Plan::from(step);
    if told { plan } else { plan.warning(reason, message) }
}

fn pending(claim: &PersistentVolumeClaim) -> Plan {
    claim_status(claim, "Pending", None).into()
}

/// It asks for one volume by name.
fn particular(claim: &PersistentVolumeClaim, name: &str, view: &View<'_>) -> Plan {
    let Some(volume) = view.volumes.iter().find(|volume| volume.metadata.name.as_deref() == Some(name)) else {
        return pending(claim);
    };
    if volume.spec.as_ref().is_some_and(|spec| spec.claim_ref.is_none()) {
        return match satisfies(volume, claim) {
            Ok(()) => bind(volume, claim),
            Err(why) => {
                let message = format!("Cannot bind to requested volume {name:?}: {why}");
                pending(claim).warning("VolumeMismatch", message)
            }
        };
    }
    if is_given_to(volume, claim) {
        return bind(volume, claim);
    }
    pending(claim).warning("FailedBinding", format!("volume {name:?} already bound to a different claim."))
}

/// Any volume that will do; or one is made.
fn any(claim: &PersistentVolumeClaim, view: &View<'_>) -> Plan {
    let delayed = view.class.is_some_and(waits_for_consumer);
    if let Some(volume) = find(claim, view.volumes, delayed) {
        return bind(volume, claim);
    }
    let class = match (claim_class(claim), view.default_class) {
        (None, Some(default)) => return with_class(claim, default),
        (class, _) => class.unwrap_or_default(),
    };
    if delayed && annotation(&claim.metadata, SELECTED_NODE).is_none() {
        return wait_for_consumer(claim, view.waiting_pods);
    }
    if class.is_empty() {
        let message = "no persistent volumes available for this claim and no storage class is set";
        return pending(claim).normal("FailedBinding", message);
    }
    provision(claim, class, view.class)
}

/// Whether volumes of the class are given, or made, where the first pod goes.
pub(crate) fn waits_for_consumer(class: &StorageClass) -> bool {
    class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer")
}

/// A default class that came after the claim is its class too.
fn with_class(claim: &PersistentVolumeClaim, class: &str) -> Plan {
    let mut changed = claim.clone();
    changed.spec.get_or_insert_default().storage_class_name = Some(class.to_owned());
    Step::Claim(Box::new(changed)).into()
}

fn wait_for_consumer(claim: &PersistentVolumeClaim, pods: &[String]) -> Plan {
    let plan = pending(claim);
    match pods {
        [] => plan.normal("WaitForFirstConsumer", "waiting for first consumer to be created before binding"),
        [pod] => plan.normal("WaitForPodScheduled", format!("waiting for pod {pod} to be scheduled")),
        pods => plan.normal("WaitForPodScheduled", format!("waiting for pods {} to be scheduled", pods.join(","))),
    }
}

/// Calls for the provisioner of the class, which is another controller, or nobody.
fn provision(claim: &PersistentVolumeClaim, name: &str, class: Option<&StorageClass>) -> Plan {
    let Some(class) = class else {
        let message = format!("storageclass.storage.k8s.io \"{name}\" not found");
        return pending(claim).warning("ProvisioningFailed", message);
    };
    let provisioner = class.provisioner.as_str();
    if provisioner.starts_with("kubernetes.io/") {
        return pending(claim).warning("ProvisioningFailed", format!("no volume plugin matched name: {provisioner}"));
    }
    if let Some(called) = called_for(claim, provisioner) {
        return Step::Claim(Box::new(called)).into();
    }
    let message = format!(
        "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
    );
    pending(claim).normal("ExternalProvisioning", message)
}

fn called_for(claim: &PersistentVolumeClaim, provisioner: &str) -> Option<PersistentVolumeClaim> {
    let mut changed = claim.clone();
    for name in PROVISIONER {
        changed.metadata.annotations.get_or_insert_default().insert(name.to_owned(), provisioner.to_owned());
    }
    (changed != *claim).then_some(changed)
}

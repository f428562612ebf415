//! Giving a pod its volumes before it is bound: volumes to claims, claims to provisioners, and waiting until they are done.

use std::time::Duration;

use sampan_api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use sampan_client::{Api, Client, Error, Informer, Patch, PatchParams};
use sampan_meta::NamespacedName;
use serde_json::json;

use crate::storage::{SELECTED_NODE, is_bound, name_of, selected_node};
use crate::{Placement, PodRequest};

/// Upstream's `bindTimeoutSeconds`.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Why a pod does not get its volumes. Trying again may help.
#[derive(Debug, thiserror::Error)]
pub(super) enum VolumeError {
    #[error("failed to write {object}")]
    Write { object: String, source: Box<Error> },
    #[error("persistentvolume {0} has been given to another claim")]
    Taken(String),
    #[error("provisioning failed for PVC {0:?}")]
    NotProvisioned(String),
    #[error("binding volumes: context deadline exceeded")]
    TimedOut,
}

/// Writes the plan and waits until every claim of the pod is bound.
pub(super) async fn settle(
    client: &Client,
    claims: &Informer<PersistentVolumeClaim>,
    pod: &PodRequest,
    placement: &Placement,
) -> Result<(), VolumeError> {
    if placement.volumes.is_empty() {
        return Ok(());
    }
    for (volume, claim) in &placement.volumes.bind {
        give(client, volume, claim, claims).await?;
    }
    for claim in &placement.volumes.provision {
        ask_for(client, claim, &placement.node).await?;
    }
    let bound = wait(claims, pod, placement);
    tokio::time::timeout(LONGEST_WAIT, bound).await.map_err(|_| VolumeError::TimedOut)?
}

async fn give(
    client: &Client,
    volume: &str,
    claim: &NamespacedName,
    claims: &Informer<PersistentVolumeClaim>,
) -> Result<(), VolumeError> {
    let uid = claims.get(claim).and_then(|claim| claim.metadata.uid.clone());
    let api: Api<PersistentVolume> = Api::all(client.clone());
    let failed = |source| VolumeError::Write { object: format!("persistentvolume {volume}"), source: Box::new(source) };
    let now = api.get(volume).await.map_err(failed)?;
    let given = now.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    if given.is_some_and(|given| {
        given.name.as_ref() != Some(&claim.name) || given.namespace.as_ref() != Some(&claim.namespace)
    }) {
        return Err(VolumeError::Taken(volume.to_owned()));
    }
    let patch = json!({
        // Whoever gave it away meanwhile shall be heard.
        "metadata": {"resourceVersion": now.metadata.resource_version,
            "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}},
        "spec": {"claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "namespace": claim.namespace, "name": claim.name, "uid": uid}},
    });
    api.patch(volume, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop).map_err(failed)
}

async fn ask_for(client: &Client, claim: &NamespacedName, node: &str) -> Result<(), VolumeError> {
    let patch = json!({"metadata": {"annotations": {SELECTED_NODE: node}}});
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &claim.namespace);
    let written = api.patch(&claim.name, &PatchParams::default(), &Patch::Merge(patch)).await;
    written.map(drop).map_err(|source| VolumeError::Write {
        object: format!("persistentvolumeclaim {claim}"),
        source: Box::new(source),
    })
}

/// A provisioner that gives up takes the node back from the claim: then another node may do.
async fn wait(
    claims: &Informer<PersistentVolumeClaim>,
    pod: &PodRequest,
    placement: &Placement,
) -> Result<(), VolumeError> {
    let mut changes = claims.subscribe();
    let mut asked = false;
    loop {
        let objects: Vec<_> = pod.claims.iter().map(|claim| claims.get(&name_of(pod, claim))).collect();
        if objects.iter().all(|claim| claim.as_ref().is_some_and(|claim| is_bound(claim))) {
            return Ok(());
        }
        let provisioned = placement.volumes.provision.iter().filter_map(|name| claims.get(name));
        let open: Vec<_> = provisioned.filter(|claim| !is_bound(claim)).collect();
        let given_up = open.iter().find(|claim| selected_node(claim) != Some(&placement.node));
        match given_up {
            None => asked = true,
            Some(claim) if asked => {
                return Err(VolumeError::NotProvisioned(claim.metadata.name.clone().unwrap_or_default()));
            }
            Some(_) => {}
        }
        if changes.next().await.is_none() {
            return Err(VolumeError::TimedOut);
        }
    }
}

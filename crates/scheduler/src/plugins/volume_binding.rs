//! A pod runs where its volumes can be had: those bound already, those that can be bound, those that can be made.

use smallvec::SmallVec;

use super::{Plugin, PreFilter, Reason, Verdict};
use crate::pod::Claim;
use crate::storage::{NodeConflict, is_bound, plan};
use crate::{Event, PodRequest, Snapshot};
use sampan_api::k8s::api::core::v1::PersistentVolumeClaim;

pub(super) struct VolumeBinding;

impl Plugin for VolumeBinding {
    fn name(&self) -> &'static str {
        "VolumeBinding"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        if pod.claims.is_empty() {
            return PreFilter::Skip;
        }
        let storage = &cluster.storage;
        for claim in &pod.claims {
            if let Err(why) = usable(pod, claim, cluster) {
                return PreFilter::Refuse(why.into());
            }
        }
        let objects = pod.claims.iter().filter_map(|claim| storage.claim(pod, claim));
        if objects.into_iter().any(|claim| !is_bound(claim) && !storage.waits_for_pod(claim)) {
            return PreFilter::Refuse("pod has unbound immediate PersistentVolumeClaims".into());
        }
        PreFilter::Check(Box::new(|candidate| match plan(pod, candidate.node, storage) {
            Ok(_) => Verdict::Fits,
            Err(conflict) => Verdict::Impossible(reasons(conflict)),
        }))
    }

    fn helps(&self, pod: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(_) | Event::Storage => true,
            Event::NodeChanged(_, what) => what.labels,
            Event::Claim(namespace, name) => {
                *namespace == pod.name.namespace && pod.claims.iter().any(|claim| claim.name == *name)
            }
            _ => false,
        }
    }
}

/// Whether a claim is there, and for this pod.
fn usable(pod: &PodRequest, claim: &Claim, cluster: &Snapshot) -> Result<(), String> {
    let name = &claim.name;
    let Some(object) = cluster.storage.claim(pod, claim) else {
        return Err(match claim.ephemeral {
            true => format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}"),
            false => format!("persistentvolumeclaim {name:?} not found"),
        });
    };
    let phase = object.status.as_ref().and_then(|status| status.phase.as_deref());
    if phase == Some("Lost") {
        let volume = object.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default();
        return Err(format!("persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"));
    }
    if object.metadata.deletion_timestamp.is_some() {
        return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
    }
    if claim.ephemeral && !is_owned(object, &pod.uid) {
        let namespace = &pod.name.namespace;
        return Err(format!("PVC {namespace}/{name} was not created for pod {} (pod is not owner)", pod.name));
    }
    Ok(())
}

fn is_owned(claim: &PersistentVolumeClaim, uid: &str) -> bool {
    let mut owners = claim.metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.uid == uid && owner.controller == Some(true))
}

fn reasons(conflict: NodeConflict) -> SmallVec<[Reason; 1]> {
    let all = [
        (conflict.out_of_reach, "node(s) didn't match PersistentVolume's node affinity"),
        (conflict.unbound, "node(s) didn't find available persistent volumes to bind"),
        (conflict.no_space, "node(s) did not have enough free storage"),
        (conflict.missing, "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"),
    ];
    all.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| Reason::Borrowed(reason)).collect()
}

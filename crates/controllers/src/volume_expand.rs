//! Tells of claims that ask for more than they have, and whose volume somebody else has to make larger. As upstream's
//! `pkg/controller/volume/expand`, without the volume plugins inside upstream's controllers.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use sampan_api::local_path;
use sampan_api::volume::{self, PROVISIONED_BY, amount, claim_phase, requested, volume_name};
use sampan_client::{EventType, Informer, recorder};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "volume_expand",
    identity: "expand-controller",
    requires: &[("", "persistentvolumes"), ("", "persistentvolumeclaims")],
    permissions: &[
        Rule { group: "", resources: &["persistentvolumes"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["persistentvolumeclaims"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| {
        Arc::new(VolumeExpand { claims: context.informer(), volumes: context.informer(), cx: context.clone() })
    },
};

struct VolumeExpand {
    cx: Context,
    claims: Informer<PersistentVolumeClaim>,
    volumes: Informer<PersistentVolume>,
}

/// Whether a bound claim asks for more than it has.
fn asks_for_more(claim: &PersistentVolumeClaim) -> bool {
    let has = amount(claim.status.as_ref().and_then(|status| status.capacity.as_ref()?.get("storage")));
    claim_phase(claim) == "Bound" && requested(claim) > has
}

/// What to say; nothing where our own provisioner sees to it.
fn plan(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> Option<(EventType, &'static str)> {
    if !asks_for_more(claim) || volume::annotation(&volume.metadata, PROVISIONED_BY) == Some(local_path::PROVISIONER) {
        return None;
    }
    let has_driver = volume.spec.as_ref().is_some_and(|spec| spec.csi.is_some());
    Some(match has_driver {
        true => (EventType::Normal, "waiting for an external controller to expand this PVC"),
        false => (
            EventType::Warning,
            "Ignoring the PVC: didn't find a plugin capable of expanding the volume; waiting for an external controller to process this PVC.",
        ),
    })
}

impl VolumeExpand {
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(claim) = self.claims.get(key) else { return Ok(Next::Settled) };
        let volume = volume_name(&claim).and_then(|name| self.volumes.get(&Key::new("", name)));
        if let Some((event_type, message)) = volume.and_then(|volume| plan(&claim, &volume)) {
            self.cx.recorder.event(&recorder::reference(&*claim), event_type, "ExternalExpanding", message);
        }
        Ok(Next::Settled)
    }
}

impl Controller for VolumeExpand {
    fn watches(&self) -> Vec<Watch> {
        let grown = Watch::new(&self.claims, |change| {
            let (Some(old), Some(new)) = (&change.old, &change.new) else { return Vec::new() };
            let more = requested(new) > requested(old) && asks_for_more(new);
            let key = Key::new(
                new.metadata.namespace.clone().unwrap_or_default(),
                new.metadata.name.clone().unwrap_or_default(),
            );
            if more { vec![key] } else { Vec::new() }
        });
        vec![grown]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::object;

    #[test]
    fn who_has_to_make_a_volume_larger_is_told() {
        let claim = |has: &str| -> PersistentVolumeClaim {
            object(json!({ "spec": { "resources": { "requests": { "storage": "2Gi" } } },
                "status": { "phase": "Bound", "capacity": { "storage": has } } }))
        };
        let volume = |source: Value, by: &str| -> PersistentVolume {
            object(json!({ "metadata": { "annotations": { "pv.kubernetes.io/provisioned-by": by } }, "spec": source }))
        };
        let csi = volume(json!({ "csi": { "driver": "d", "volumeHandle": "h" } }), "d");
        assert_eq!(plan(&claim("1Gi"), &csi).map(|(event_type, _)| event_type), Some(EventType::Normal));
        assert_eq!(plan(&claim("2Gi"), &csi), None);
        let path = volume(json!({ "hostPath": { "path": "/" } }), "");
        assert_eq!(plan(&claim("1Gi"), &path).map(|(event_type, _)| event_type), Some(EventType::Warning));
        let ours = volume(json!({ "local": { "path": "/" } }), local_path::PROVISIONER);
        assert_eq!(plan(&claim("1Gi"), &ours), None);
    }
}

//! A volume that is being deleted stays while a claim is bound to it. As upstream's `pkg/controller/volume/pvprotection`.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::PersistentVolume;
use sampan_client::{Informer, PostParams, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::protection::held;
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "pv-protection-controller",
    identity: "pv-protection-controller",
    requires: &[("", "persistentvolumes")],
    permissions: &[
        Rule { group: "", resources: &["persistentvolumes"], verbs: &["get", "list", "watch", "update"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(PvProtection { volumes: context.informer(), cx: context.clone() }),
};

const FINALIZER: &str = "kubernetes.io/pv-protection";

struct PvProtection {
    cx: Context,
    volumes: Informer<PersistentVolume>,
}

impl PvProtection {
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let changed = self.volumes.get(key).and_then(|volume| plan(&volume));
        let Some(changed) = changed else { return Ok(Next::Settled) };
        match self.cx.cluster::<PersistentVolume>().replace(&key.name, &PostParams::default(), &changed).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(Next::Settled),
        }
    }
}

/// The volume with the hold put on or taken off; `None`: it is as it should be.
fn plan(volume: &PersistentVolume) -> Option<PersistentVolume> {
    let bound = volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound");
    held(volume, FINALIZER, bound)
}

impl Controller for PvProtection {
    fn watches(&self) -> Vec<Watch> {
        vec![Watch::each(&self.volumes)]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{ago, object};

    #[test]
    fn a_volume_is_held_until_it_is_not_bound() {
        let volume = |going: bool, phase: &str, finalizers: &[&str]| -> PersistentVolume {
            let deleted = if going { json!(ago(5)) } else { json!(null) };
            object(
                json!({ "metadata": { "name": "v", "deletionTimestamp": deleted, "finalizers": finalizers }, "status": { "phase": phase } }),
            )
        };
        assert!(plan(&volume(false, "Available", &[])).is_some());
        assert_eq!(plan(&volume(false, "Bound", &[FINALIZER])), None);
        assert_eq!(plan(&volume(true, "Bound", &[FINALIZER])), None);
        let free = plan(&volume(true, "Available", &[FINALIZER])).unwrap();
        assert_eq!(free.metadata.finalizers, Some(Vec::new()));
        assert_eq!(plan(&volume(true, "Available", &[])), None);
    }
}

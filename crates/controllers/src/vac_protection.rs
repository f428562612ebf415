//! A VolumeAttributesClass that is being deleted stays while a claim or a volume names it. As upstream's `pkg/controller/volume/vacprotection`.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use sampan_api::k8s::api::storage::v1::VolumeAttributesClass;
use sampan_client::{Informer, PostParams, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::protection::held;
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "volumeattributesclass-protection-controller",
    identity: "volumeattributesclass-protection-controller",
    requires: &[("storage.k8s.io", "volumeattributesclasses")],
    permissions: &[
        Rule {
            group: "",
            resources: &["persistentvolumeclaims", "persistentvolumes"],
            verbs: &["get", "list", "watch"],
        },
        Rule {
            group: "storage.k8s.io",
            resources: &["volumeattributesclasses"],
            verbs: &["get", "list", "watch", "update"],
        },
    ],
    make: |context| Arc::new(VacProtection::new(context.clone())),
};

const FINALIZER: &str = "kubernetes.io/vac-protection";
/// Claims and volumes by the classes they name.
const BY_CLASS: &str = "attributes-class";

struct VacProtection {
    cx: Context,
    classes: Informer<VolumeAttributesClass>,
    claims: Informer<PersistentVolumeClaim>,
    volumes: Informer<PersistentVolume>,
}

impl VacProtection {
    fn new(cx: Context) -> Self {
        let (claims, volumes) = (cx.informer::<PersistentVolumeClaim>(), cx.informer::<PersistentVolume>());
        claims.add_index(BY_CLASS, |claim| of_claim(claim).into_iter().map(str::to_owned).collect());
        volumes.add_index(BY_CLASS, |volume| of_volume(volume).into_iter().map(str::to_owned).collect());
        Self { classes: cx.informer(), claims, volumes, cx }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(class) = self.classes.get(key) else { return Ok(Next::Settled) };
        let used = !self.claims.by_index(BY_CLASS, &key.name).is_empty()
            || !self.volumes.by_index(BY_CLASS, &key.name).is_empty();
        let Some(changed) = plan(&class, used) else { return Ok(Next::Settled) };
        match self.cx.cluster::<VolumeAttributesClass>().replace(&key.name, &PostParams::default(), &changed).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(Next::Settled),
        }
    }
}

/// What a claim wants, has, and is on its way to.
fn of_claim(claim: &PersistentVolumeClaim) -> BTreeSet<&str> {
    let status = claim.status.as_ref();
    let wanted = claim.spec.as_ref().and_then(|spec| spec.volume_attributes_class_name.as_deref());
    let current = status.and_then(|status| status.current_volume_attributes_class_name.as_deref());
    let target =
        status.and_then(|status| status.modify_volume_status.as_ref()?.target_volume_attributes_class_name.as_deref());
    [wanted, current, target].into_iter().flatten().filter(|name| !name.is_empty()).collect()
}

fn of_volume(volume: &PersistentVolume) -> Option<&str> {
    volume.spec.as_ref()?.volume_attributes_class_name.as_deref().filter(|name| !name.is_empty())
}

/// The class with the hold put on or taken off; `None`: it is as it should be.
fn plan(class: &VolumeAttributesClass, used: bool) -> Option<VolumeAttributesClass> {
    held(class, FINALIZER, used)
}

impl Controller for VacProtection {
    fn watches(&self) -> Vec<Watch> {
        let key = |class: &str| Key::new("", class);
        // What an object named before counts as well: that class may be free now.
        let claims = Watch::new(&self.claims, move |change| {
            [&change.old, &change.new].into_iter().flatten().flat_map(|claim| of_claim(claim)).map(key).collect()
        });
        let volumes = Watch::new(&self.volumes, move |change| {
            [&change.old, &change.new].into_iter().flatten().filter_map(|volume| of_volume(volume)).map(key).collect()
        });
        vec![Watch::each(&self.classes), claims, volumes]
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
    fn a_class_is_held_until_nobody_names_it() {
        let class = |going: bool, finalizers: &[&str]| -> VolumeAttributesClass {
            let deleted = if going { json!(ago(5)) } else { json!(null) };
            let metadata = json!({ "name": "gold", "deletionTimestamp": deleted, "finalizers": finalizers });
            object(json!({ "metadata": metadata, "driverName": "csi.test" }))
        };
        assert!(plan(&class(false, &[]), false).is_some());
        assert_eq!(plan(&class(false, &[FINALIZER]), true), None);
        assert_eq!(plan(&class(true, &[FINALIZER]), true), None);
        let free = plan(&class(true, &["a", FINALIZER]), false).unwrap();
        assert_eq!(free.metadata.finalizers, Some(vec!["a".to_owned()]));
        assert_eq!(plan(&class(true, &[]), false), None, "what was let go is not held again");
    }

    #[test]
    fn a_claim_names_what_it_wants_has_and_is_on_its_way_to() {
        let claim: PersistentVolumeClaim = object(json!({ "spec": { "volumeAttributesClassName": "gold" }, "status": {
            "currentVolumeAttributesClassName": "silver",
            "modifyVolumeStatus": { "status": "Pending", "targetVolumeAttributesClassName": "platinum" } } }));
        assert_eq!(of_claim(&claim), BTreeSet::from(["gold", "platinum", "silver"]));
        let empty: PersistentVolumeClaim = object(json!({ "spec": { "volumeAttributesClassName": "" } }));
        assert!(of_claim(&empty).is_empty());
        let volume: PersistentVolume = object(json!({ "spec": { "volumeAttributesClassName": "gold" } }));
        assert_eq!(of_volume(&volume), Some("gold"));
    }
}

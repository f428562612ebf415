//! A claim for each ephemeral volume of a pod, owned by the pod. As upstream's `pkg/controller/volume/ephemeral`.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{PersistentVolumeClaim, Pod};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_api::pod;
use sampan_client::{Api, Informer, PostParams, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::ownership::{controller_key, controller_of, controller_reference};
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "ephemeral-volume-controller",
    identity: "ephemeral-volume-controller",
    requires: &[("", "persistentvolumeclaims")],
    permissions: &[
        Rule { group: "", resources: &["pods"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["pods/finalizers"], verbs: &["update"] },
        Rule { group: "", resources: &["persistentvolumeclaims"], verbs: &["create", "get", "list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| {
        Arc::new(EphemeralVolumes { pods: context.informer(), claims: context.informer(), cx: context.clone() })
    },
};

struct EphemeralVolumes {
    cx: Context,
    pods: Informer<Pod>,
    claims: Informer<PersistentVolumeClaim>,
}

impl EphemeralVolumes {
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(pod) = self.pods.get(key).filter(|pod| !pod::is_terminating(pod)) else { return Ok(Next::Settled) };
        for claim in claims(&pod) {
            let known = self.claims.get(&Key::new(key.namespace.clone(), claim.name_any()));
            match known {
                Some(existing) => check_owner(&pod, &existing)?,
                None => self.create(key, &pod, &claim).await?,
            }
        }
        Ok(Next::Settled)
    }

    async fn create(&self, key: &Key, pod: &Pod, claim: &PersistentVolumeClaim) -> Result<(), Failure> {
        let api: Api<PersistentVolumeClaim> = self.cx.api(&key.namespace);
        match api.create(&PostParams::default(), claim).await {
            Ok(_) => Ok(()),
            Err(failure) if error::is_already_exists(&failure) => check_owner(pod, &api.get(&claim.name_any()).await?),
            Err(failure) if error::is_namespace_terminating(&failure) => Ok(()),
            Err(failure) => {
                let why = error::message(&failure);
                let message = format!("ephemeral volume controller: create PVC {}: {why}", claim.name_any());
                self.cx.recorder.warning(pod, "FailedBinding", message);
                Err(failure.into())
            }
        }
    }
}

/// The claims the pod's volumes ask for.
fn claims(pod: &Pod) -> Vec<PersistentVolumeClaim> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let claim = |volume: &sampan_api::k8s::api::core::v1::Volume| {
        let template = volume.ephemeral.as_ref()?.volume_claim_template.clone()?;
        let meta = template.metadata.unwrap_or_default();
        let metadata = ObjectMeta {
            name: Some(format!("{}-{}", pod.metadata.name.as_deref().unwrap_or_default(), volume.name)),
            namespace: pod.metadata.namespace.clone(),
            labels: meta.labels,
            annotations: meta.annotations,
            owner_references: Some(vec![controller_reference(pod)]),
            ..ObjectMeta::default()
        };
        Some(PersistentVolumeClaim { metadata, spec: Some(template.spec), status: None })
    };
    volumes.filter_map(claim).collect()
}

/// A claim of this name that is somebody else's holds somebody else's data: the pod must not get it.
fn check_owner(pod: &Pod, claim: &PersistentVolumeClaim) -> Result<(), Failure> {
    if controller_of(&claim.metadata).is_some_and(|owner| Some(&owner.uid) == pod.metadata.uid.as_ref()) {
        return Ok(());
    }
    let place = |meta: &ObjectMeta| {
        format!("{}/{}", meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
    };
    let (pod, claim) = (place(&pod.metadata), place(&claim.metadata));
    Err(Failure::Object(format!("PVC {claim} was not created for pod {pod} (pod is not owner); delete one of them")))
}

impl Controller for EphemeralVolumes {
    fn watches(&self) -> Vec<Watch> {
        let pods = Watch::new(&self.pods, |change| {
            let concerned = change.new.iter().filter(|pod| !claims(pod).is_empty());
            concerned.map(|pod| Key::new(pod.metadata.namespace.clone().unwrap_or_default(), pod.name_any())).collect()
        });
        // A claim that somebody deletes is made again while its pod is there.
        let gone = Watch::new(&self.claims, |change| {
            let claim = change.old.iter().filter(|_| change.new.is_none());
            claim.filter_map(|claim| controller_key::<Pod>(&claim.metadata)).collect()
        });
        vec![pods, gone]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::object;

    #[test]
    fn each_ephemeral_volume_has_a_claim_that_is_the_pods() {
        let template = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "fast" } });
        let pod: Pod = object(
            json!({ "metadata": { "name": "p", "namespace": "default", "uid": "u" }, "spec": { "containers": [], "volumes": [
            { "name": "scratch", "ephemeral": { "volumeClaimTemplate": template } },
            { "name": "cache", "emptyDir": {} },
        ] } }),
        );
        let claims = claims(&pod);
        assert_eq!(claims.len(), 1);
        let claim = &claims[0];
        assert_eq!(claim.metadata.name.as_deref(), Some("p-scratch"));
        assert_eq!(claim.metadata.labels.as_ref().unwrap()["a"], "b");
        assert_eq!(claim.spec.as_ref().unwrap().storage_class_name.as_deref(), Some("fast"));
        assert!(check_owner(&pod, claim).is_ok());
        let foreign: PersistentVolumeClaim =
            object(json!({ "metadata": { "name": "p-scratch", "namespace": "default" } }));
        let why = check_owner(&pod, &foreign).unwrap_err().to_string();
        assert_eq!(
            why,
            "PVC default/p-scratch was not created for pod default/p (pod is not owner); delete one of them"
        );
    }
}

//! A claim that is being deleted stays while a pod uses it. As upstream's `pkg/controller/volume/pvcprotection`.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{PersistentVolumeClaim, Pod};
use sampan_api::volume::claim_names;
use sampan_client::{Api, Informer, ListParams, PostParams, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::protection::held;
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "pvc-protection-controller",
    identity: "pvc-protection-controller",
    requires: &[("", "persistentvolumeclaims")],
    permissions: &[
        Rule { group: "", resources: &["persistentvolumeclaims"], verbs: &["get", "list", "watch", "update"] },
        Rule { group: "", resources: &["pods"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| {
        Arc::new(PvcProtection { claims: context.informer(), pods: context.informer(), cx: context.clone() })
    },
};

const FINALIZER: &str = "kubernetes.io/pvc-protection";

struct PvcProtection {
    cx: Context,
    claims: Informer<PersistentVolumeClaim>,
    pods: Informer<Pod>,
}

impl PvcProtection {
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(claim) = self.claims.get(key) else { return Ok(Next::Settled) };
        let known = self.pods.list_namespace(&key.namespace).iter().any(|pod| uses(pod, &key.name));
        let Some(changed) = plan(&claim, known) else { return Ok(Next::Settled) };
        if claim.metadata.deletion_timestamp.is_some() && self.used_now(key).await? {
            return Ok(Next::Settled);
        }
        let api: Api<PersistentVolumeClaim> = self.cx.api(&key.namespace);
        match api.replace(&key.name, &PostParams::default(), &changed).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(Next::Settled),
        }
    }

    /// A pod may have come that is not known yet: the hold is not taken off by hearsay.
    async fn used_now(&self, key: &Key) -> Result<bool, Failure> {
        let api: Api<Pod> = self.cx.api(&key.namespace);
        Ok(api.list(&ListParams::default()).await?.items.iter().any(|pod| uses(pod, &key.name)))
    }
}

/// The claim with the hold put on or taken off; `None`: it is as it should be.
fn plan(claim: &PersistentVolumeClaim, used: bool) -> Option<PersistentVolumeClaim> {
    held(claim, FINALIZER, used)
}

/// A pod without a node does not count: no node would start it with a claim that is going.
fn uses(pod: &Pod, claim: &str) -> bool {
    let placed = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).is_some_and(|node| !node.is_empty());
    placed && claim_names(pod).iter().any(|name| name == claim)
}

impl Controller for PvcProtection {
    fn watches(&self) -> Vec<Watch> {
        let pods = Watch::new(&self.pods, |change| {
            let pod = change.object();
            let namespace = pod.metadata.namespace.clone().unwrap_or_default();
            claim_names(pod).into_iter().map(|claim| Key::new(namespace.clone(), claim)).collect()
        });
        vec![Watch::each(&self.claims), pods]
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

    fn claim(going: bool, finalizers: &[&str]) -> PersistentVolumeClaim {
        let deleted = if going { json!(ago(5)) } else { json!(null) };
        object(json!({ "metadata": { "name": "c", "deletionTimestamp": deleted, "finalizers": finalizers } }))
    }

    fn finalizers(claim: Option<PersistentVolumeClaim>) -> Option<Vec<String>> {
        claim.map(|claim| claim.metadata.finalizers.unwrap_or_default())
    }

    #[test]
    fn a_claim_is_held_until_nobody_uses_it() {
        assert_eq!(finalizers(plan(&claim(false, &[]), false)), Some(vec![FINALIZER.to_owned()]));
        assert_eq!(plan(&claim(false, &[FINALIZER]), false), None);
        assert_eq!(plan(&claim(true, &[FINALIZER]), true), None);
        assert_eq!(finalizers(plan(&claim(true, &["a", FINALIZER]), false)), Some(vec!["a".to_owned()]));
        assert_eq!(plan(&claim(true, &["a"]), false), None, "what was let go is not held again");
    }

    #[test]
    fn a_pod_uses_what_it_names_once_it_has_a_node() {
        let pod = |node: &str| -> Pod {
            object(json!({ "metadata": { "name": "p" }, "spec": { "nodeName": node, "containers": [], "volumes": [
                { "name": "a", "persistentVolumeClaim": { "claimName": "c" } },
                { "name": "scratch", "ephemeral": {} },
                { "name": "e", "emptyDir": {} },
            ] } }))
        };
        assert_eq!(claim_names(&pod("n")), ["c", "p-scratch"]);
        assert!(uses(&pod("n"), "c") && uses(&pod("n"), "p-scratch"));
        assert!(!uses(&pod(""), "c") && !uses(&pod("n"), "other"));
    }
}

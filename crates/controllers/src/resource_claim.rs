//! Makes the ResourceClaims that pods ask for by a template, says so in the pod's status, and takes back what pods that have ended held.
//! As upstream's `pkg/controller/resourceclaim`.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{Pod, PodResourceClaim, PodResourceClaimStatus};
use sampan_api::k8s::api::resource::v1::{ResourceClaim, ResourceClaimTemplate};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_api::pod;
use sampan_client::{Api, DeleteParams, Informer, Patch, PatchParams, PostParams, Preconditions, ResourceExt, error};
use serde_json::json;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::ownership::{BY_CONTROLLER, add_indices, controller_key, controller_of, controller_reference};
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "resource_claim",
    identity: "resource-claim-controller",
    requires: &[("resource.k8s.io", "resourceclaims"), ("resource.k8s.io", "resourceclaimtemplates")],
    permissions: &[
        Rule { group: "", resources: &["pods"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["pods/finalizers"], verbs: &["update"] },
        Rule { group: "", resources: &["pods/status"], verbs: &["patch", "update"] },
        Rule {
            group: "resource.k8s.io",
            resources: &["resourceclaims"],
            verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
        },
        Rule { group: "resource.k8s.io", resources: &["resourceclaims/status"], verbs: &["patch", "update"] },
        Rule { group: "resource.k8s.io", resources: &["resourceclaims/binding"], verbs: &["patch", "update"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(ResourceClaims::new(context.clone())),
};

/// On a claim made for a pod: which of the pod's claims it is.
const POD_CLAIM: &str = "resource.kubernetes.io/pod-claim-name";
/// Holds a claim while it has devices.
const PROTECTION: &str = "resource.kubernetes.io/delete-protection";

struct ResourceClaims {
    cx: Context,
    pods: Informer<Pod>,
    claims: Informer<ResourceClaim>,
    templates: Informer<ResourceClaimTemplate>,
}

/// Whether a pod is over for claims: it will never use anything again.
fn is_over(pod: &Pod) -> bool {
    pod::is_terminal(pod) || (pod::is_terminating(pod) && pod::node_name(pod).is_none())
}

/// The entries of a pod that ask for a claim by a template.
fn templated(pod: &Pod) -> Vec<(&PodResourceClaim, &str)> {
    let entries = pod.spec.iter().flat_map(|spec| spec.resource_claims.iter().flatten());
    entries.filter_map(|entry| Some((entry, entry.resource_claim_template_name.as_deref()?))).collect()
}

/// The pod's own claims by entry.
fn own_claims(claims: &[Arc<ResourceClaim>]) -> BTreeMap<String, String> {
    let entry = |claim: &Arc<ResourceClaim>| {
        Some((claim.metadata.annotations.as_ref()?.get(POD_CLAIM)?.clone(), claim.name_any()))
    };
    claims.iter().filter_map(entry).collect()
}

/// The claim of an entry, as its template says.
fn claim_of(pod: &Pod, entry: &str, template: &ResourceClaimTemplate) -> ResourceClaim {
    let meta = template.spec.metadata.clone().unwrap_or_default();
    let mut annotations = meta.annotations.unwrap_or_default();
    annotations.insert(POD_CLAIM.to_owned(), entry.to_owned());
    let metadata = ObjectMeta {
        generate_name: Some(format!("{}-{entry}-", pod.metadata.name.as_deref().unwrap_or_default())),
        namespace: pod.metadata.namespace.clone(),
        labels: meta.labels,
        annotations: Some(annotations),
        owner_references: Some(vec![controller_reference(pod)]),
        ..ObjectMeta::default()
    };
    ResourceClaim { metadata, spec: template.spec.spec.clone(), status: None }
}

/// What the pod's status shall say of its claims; `None`: it does.
fn statuses(pod: &Pod, made: &BTreeMap<String, String>) -> Option<Vec<PodResourceClaimStatus>> {
    let wanted: Vec<PodResourceClaimStatus> = templated(pod)
        .into_iter()
        .filter_map(|(entry, _)| {
            let claim = made.get(&entry.name)?;
            Some(PodResourceClaimStatus { name: entry.name.clone(), resource_claim_name: Some(claim.clone()) })
        })
        .collect();
    let known = pod.status.as_ref().and_then(|status| status.resource_claim_statuses.clone()).unwrap_or_default();
    (known != wanted && !wanted.is_empty()).then_some(wanted)
}

/// The claim without those that will not use it; `None`: all still may.
fn released(claim: &ResourceClaim, is_user: impl Fn(&str, &str) -> bool) -> Option<ResourceClaim> {
    let status = claim.status.as_ref()?;
    let mut changed = claim.clone();
    let kept = changed.status.get_or_insert_default();
    let users = kept.reserved_for.get_or_insert_default();
    users.retain(|user| user.resource != "pods" || is_user(&user.name, &user.uid));
    let gone = users.len() != status.reserved_for.as_ref().map_or(0, Vec::len);
    if users.is_empty() {
        kept.reserved_for = None;
        // Devices of a claim that a pod owned, or that is to go, are given back.
        let owned = controller_of(&claim.metadata).is_some_and(|owner| owner.kind == "Pod");
        if owned || claim.metadata.deletion_timestamp.is_some() {
            kept.allocation = None;
        }
    }
    (gone || kept.allocation != status.allocation).then_some(changed)
}

impl ResourceClaims {
    fn new(cx: Context) -> Self {
        let claims: Informer<ResourceClaim> = cx.informer();
        add_indices(&claims);
        Self { pods: cx.informer(), claims, templates: cx.informer(), cx }
    }

    /// Keys of pods are theirs; those of claims have a `/` before the name.
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        match key.name.strip_prefix('/') {
            Some(claim) => self.sync_claim(&Key::new(key.namespace.clone(), claim)).await,
            None => self.sync_pod(key).await,
        }
    }

    async fn sync_pod(&self, key: &Key) -> Result<Next, Failure> {
        let Some(pod) = self.pods.get(key).filter(|pod| !pod::is_terminating(pod) && !is_over(pod)) else {
            return Ok(Next::Settled);
        };
        let known = self.claims.by_index(BY_CONTROLLER, pod.metadata.uid.as_deref().unwrap_or_default());
        let mut made = own_claims(&known);
        // What the status says was made, though the cache may not show it yet.
        let said = pod.status.iter().flat_map(|status| status.resource_claim_statuses.iter().flatten());
        made.extend(said.filter_map(|said| Some((said.name.clone(), said.resource_claim_name.clone()?))));
        for (entry, template) in templated(&pod) {
            if !made.contains_key(&entry.name) {
                let claim = self.make(&pod, &entry.name, template).await?;
                made.insert(entry.name.clone(), claim);
            }
        }
        let Some(statuses) = statuses(&pod, &made) else { return Ok(Next::Settled) };
        let metadata = json!({ "uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version });
        let patch = Patch::Strategic(json!({ "metadata": metadata, "status": { "resourceClaimStatuses": statuses } }));
        let api: Api<Pod> = self.cx.api(&key.namespace);
        api.patch_status(&key.name, &PatchParams::default(), &patch).await?;
        Ok(Next::Settled)
    }

    async fn make(&self, pod: &Pod, entry: &str, template: &str) -> Result<String, Failure> {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let failed = |why: String| {
            self.cx.recorder.warning(pod, "FailedResourceClaimCreation", format!("PodResourceClaim {entry}: {why}"));
            Failure::Object(why)
        };
        let template = self.templates.get(&Key::new(namespace.clone(), template)).ok_or_else(|| {
            failed(format!(
                "resource claim template {template:?}: resourceclaimtemplate.resource.k8s.io {template:?} not found"
            ))
        })?;
        let api: Api<ResourceClaim> = self.cx.api(&namespace);
        let created = api.create(&PostParams::default(), &claim_of(pod, entry, &template)).await;
        created.map(|claim| claim.name_any()).map_err(|failure| failed(error::message(&failure)))
    }

    async fn sync_claim(&self, key: &Key) -> Result<Next, Failure> {
        let Some(claim) = self.claims.get(key) else { return Ok(Next::Settled) };
        let api: Api<ResourceClaim> = self.cx.api(&key.namespace);
        let is_user = |name: &str, uid: &str| {
            let pod = self.pods.get(&Key::new(key.namespace.clone(), name));
            pod.is_some_and(|pod| pod.metadata.uid.as_deref() == Some(uid) && !is_over(&pod))
        };
        if let Some(changed) = released(&claim, is_user) {
            api.replace_status(&key.name, &PostParams::default(), &changed).await?;
            return Ok(Next::Settled);
        }
        let free =
            claim.status.as_ref().is_none_or(|status| status.allocation.is_none() && status.reserved_for.is_none());
        let held = claim.metadata.finalizers.iter().flatten().any(|held| held == PROTECTION);
        if free && held {
            let mut changed = (*claim).clone();
            changed.metadata.finalizers.get_or_insert_default().retain(|held| held != PROTECTION);
            api.replace(&key.name, &PostParams::default(), &changed).await?;
            return Ok(Next::Settled);
        }
        let owner = controller_key::<Pod>(&claim.metadata).and_then(|owner| self.pods.get(&owner));
        if free && claim.metadata.deletion_timestamp.is_none() && owner.is_some_and(|pod| is_over(&pod)) {
            let preconditions = Some(Preconditions { uid: claim.uid(), resource_version: None });
            let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
            return match api.delete(&key.name, &parameters).await {
                Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
                _ => Ok(Next::Settled),
            };
        }
        Ok(Next::Settled)
    }
}

/// The key of a claim beside those of pods.
fn claim_key(namespace: &str, name: &str) -> Key {
    Key::new(namespace, format!("/{name}"))
}

impl Controller for ResourceClaims {
    fn watches(&self) -> Vec<Watch> {
        let claims = self.claims.clone();
        let pods = Watch::new(&self.pods, move |change| {
            let pod = change.object();
            let namespace = pod.metadata.namespace.clone().unwrap_or_default();
            if pod.spec.as_ref().is_none_or(|spec| spec.resource_claims.is_none()) {
                return Vec::new();
            }
            let over = change.new.as_ref().is_none_or(|pod| is_over(pod));
            let used = claims.list_namespace(&namespace).into_iter().filter(|claim| over && is_used_by(claim, pod));
            let used: Vec<Key> = used.map(|claim| claim_key(&namespace, &claim.name_any())).collect();
            std::iter::once(Key::new(namespace, pod.name_any())).chain(used).collect()
        });
        let by_claim = Watch::new(&self.claims, |change| {
            let claim = change.object();
            let namespace = claim.metadata.namespace.clone().unwrap_or_default();
            let owner = controller_key::<Pod>(&claim.metadata);
            std::iter::once(claim_key(&namespace, &claim.name_any())).chain(owner).collect()
        });
        let all = self.pods.clone();
        let by_template = Watch::new(&self.templates, move |change| {
            let namespace = change.object().metadata.namespace.clone().unwrap_or_default();
            let name = change.object().name_any();
            let pods = all.list_namespace(&namespace).into_iter();
            let waiting = pods.filter(|pod| templated(pod).iter().any(|(_, template)| *template == name));
            waiting.map(|pod| Key::new(namespace.clone(), pod.name_any())).collect()
        });
        vec![pods, by_claim, by_template]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

fn is_used_by(claim: &ResourceClaim, pod: &Pod) -> bool {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let owned = controller_of(&claim.metadata).is_some_and(|owner| owner.uid == uid);
    let users = claim.status.iter().flat_map(|status| status.reserved_for.iter().flatten());
    owned || users.into_iter().any(|user| user.uid == uid)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing::{ago, object};

    fn pod(status: Value) -> Pod {
        object(
            json!({ "metadata": { "name": "p", "namespace": "default", "uid": "u" }, "spec": { "containers": [], "resourceClaims": [
            { "name": "gpu", "resourceClaimTemplateName": "big" }, { "name": "shared", "resourceClaimName": "ours" },
        ] }, "status": status }),
        )
    }

    #[test]
    fn a_templates_claim_is_the_pods_and_its_status_says_which() {
        let template = object(json!({ "metadata": { "name": "big" }, "spec": { "metadata": { "labels": { "a": "b" } },
            "spec": { "devices": { "requests": [{ "name": "r" }] } } } }));
        let made = claim_of(&pod(json!({})), "gpu", &template);
        assert_eq!(made.metadata.generate_name.as_deref(), Some("p-gpu-"));
        assert_eq!(made.metadata.annotations.as_ref().unwrap()[POD_CLAIM], "gpu");
        assert_eq!(made.metadata.labels.as_ref().unwrap()["a"], "b");
        assert_eq!(controller_of(&made.metadata).map(|owner| owner.uid.as_str()), Some("u"));
        let names = BTreeMap::from([("gpu".to_owned(), "p-gpu-x".to_owned())]);
        let wanted = statuses(&pod(json!({})), &names).expect("it is not said yet");
        assert_eq!(serde_json::to_value(&wanted).unwrap(), json!([{ "name": "gpu", "resourceClaimName": "p-gpu-x" }]));
        assert_eq!(statuses(&pod(json!({ "resourceClaimStatuses": wanted })), &names), None);
    }

    #[test]
    fn a_claim_is_released_by_pods_that_are_over() {
        let claim = |owner: Value, users: Value| -> ResourceClaim {
            object(json!({ "metadata": { "name": "c", "ownerReferences": owner }, "spec": {},
                "status": { "reservedFor": users, "allocation": { "devices": {} } } }))
        };
        let user = |uid: &str| json!({ "resource": "pods", "name": "p", "uid": uid });
        let owner = json!([{ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": true }]);
        let mine = |_: &str, uid: &str| uid == "u";
        assert_eq!(released(&claim(owner.clone(), json!([user("u")])), mine), None);
        let one = released(&claim(json!([]), json!([user("u"), user("gone")])), mine).expect("one is gone");
        assert_eq!(one.status.as_ref().unwrap().reserved_for.as_ref().map(Vec::len), Some(1));
        let free = released(&claim(owner, json!([user("gone")])), mine).expect("nobody is left");
        assert_eq!(free.status.as_ref().map(|status| (&status.reserved_for, &status.allocation)), Some((&None, &None)));
        let shared = released(&claim(json!([]), json!([user("gone")])), mine).expect("nobody is left");
        assert!(shared.status.unwrap().allocation.is_some(), "devices of a person's own claim stay");
    }

    #[test]
    fn a_pod_that_never_ran_and_is_going_is_over() {
        let mut going = pod(json!({}));
        assert!(!is_over(&going));
        going.metadata.deletion_timestamp = object(json!(ago(1)));
        assert!(is_over(&going));
        going.spec.as_mut().unwrap().node_name = Some("n".to_owned());
        assert!(!is_over(&going));
        going.status = object(json!({ "phase": "Succeeded" }));
        assert!(is_over(&going));
    }
}

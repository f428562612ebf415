//! Deletes what lost its owners, in the way the deletion asked for. As upstream's `pkg/controller/garbagecollector`.
//!
//! The graph comes from metadata watches of every kind that can be deleted, found by discovery. It only says where to look: that an
//! owner is gone is believed of the apiserver alone.

mod graph;
mod monitors;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sampan_client::{
    Api, DeleteParams, DynamicObject, Error, Patch, PatchParams, Preconditions, PropagationPolicy, WorkQueue, error,
};
use serde_json::json;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;
use graph::{Graph, Identity, ORPHAN};
use monitors::Resources;
use plan::{Observed, Owner, Plan, Policy};

pub(crate) const ENTRY: Entry = Entry {
    name: "generic-garbage-collector",
    identity: "generic-garbage-collector",
    requires: &[],
    permissions: &[
        Rule { group: "*", resources: &["*"], verbs: &["get", "list", "watch", "patch", "update", "delete"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(GarbageCollector::new(context.clone())),
};

/// An owner that exists and that its kind's watch has not shown yet is looked for again after this long: it may go before it is seen.
const UNSEEN: Duration = Duration::from_secs(5);

/// Has a uid looked at.
type Enqueue = dyn Fn(&str) + Send + Sync;

struct GarbageCollector {
    cx: Context,
    graph: Arc<Mutex<Graph>>,
    resources: Resources,
}

impl GarbageCollector {
    fn new(cx: Context) -> Self {
        Self { cx, graph: Arc::default(), resources: Resources::default() }
    }

    /// The key's name is a uid.
    async fn sync(&self, uid: &str, queue: &Enqueue) -> Result<Next, Failure> {
        let Some((identity, seen)) = self.graph.lock().get(uid).map(|node| (node.identity.clone(), node.seen)) else {
            return Ok(Next::Settled);
        };
        let live = self.live(&identity).await?.filter(|meta| meta.uid.as_deref() == Some(uid));
        let Some(meta) = live else {
            self.graph.lock().remove(uid).iter().for_each(|uid| queue(uid));
            return Ok(Next::Settled);
        };
        if !seen {
            return Ok(if self.resources.is_watched(&identity) { Next::After(UNSEEN) } else { Next::Settled });
        }
        let mut owners = Vec::new();
        for reference in meta.owner_references.iter().flatten() {
            owners.push((reference.clone(), self.look_at(reference, &identity).await?));
        }
        let plan = {
            let graph = self.graph.lock();
            let dependents: Vec<_> = graph.dependents(uid).into_iter().map(|(_, node)| node).collect();
            plan::plan(&Observed { meta: &meta, owners: &owners, dependents: &dependents })
        };
        self.carry_out(uid, &identity, &meta, plan, queue).await?;
        Ok(Next::Settled)
    }

    /// The metadata of an object as the apiserver has it now. A kind that is not served cannot be judged.
    async fn live(&self, identity: &Identity) -> Result<Option<ObjectMeta>, Failure> {
        let Some(api) = self.api(identity) else {
            let Identity { api_version, kind, name } = identity;
            return Err(Failure::Object(format!("the kind {kind} of {api_version} is not served: {name} is kept")));
        };
        Ok(api.get_metadata_opt(&identity.name.name).await?.map(|object| object.metadata))
    }

    fn api(&self, identity: &Identity) -> Option<Api<DynamicObject>> {
        self.resources.api(&self.cx.client, identity)
    }

    async fn look_at(&self, reference: &OwnerReference, dependent: &Identity) -> Result<Owner, Failure> {
        let name = Key::new(&dependent.name.namespace, &reference.name);
        let identity = Identity { api_version: reference.api_version.clone(), kind: reference.kind.clone(), name };
        if dependent.name.namespace.is_empty() && self.resources.is_namespaced(&identity) {
            // Upstream reports OwnerRefInvalidNamespace and touches nothing: which namespace was meant cannot be known.
            return Ok(Owner::Solid);
        }
        let owner = self.live(&identity).await?.filter(|meta| meta.uid.as_deref() == Some(&reference.uid));
        Ok(match owner {
            None => Owner::Absent,
            Some(meta) if waits_for_dependents(&meta) => Owner::Waiting,
            Some(_) => Owner::Solid,
        })
    }

    async fn carry_out(
        &self,
        uid: &str,
        identity: &Identity,
        meta: &ObjectMeta,
        plan: Plan,
        queue: &Enqueue,
    ) -> Result<(), Failure> {
        match plan {
            Plan::Nothing => Ok(()),
            Plan::WaitForDependents => {
                self.graph.lock().dependents(uid).iter().for_each(|(dependent, _)| queue(dependent));
                Ok(())
            }
            Plan::RemoveFinalizer(finalizer) => self.remove_finalizer(identity, meta, finalizer).await,
            Plan::Orphan => {
                self.orphan_dependents(uid).await?;
                self.remove_finalizer(identity, meta, ORPHAN).await
            }
            Plan::DropOwners(uids) => {
                let kept = meta.owner_references.iter().flatten().filter(|reference| !uids.contains(&reference.uid));
                self.set_owners(identity, meta, kept.cloned().collect()).await
            }
            Plan::Delete { policy, unblock } => {
                let mut version = meta.resource_version.clone();
                if unblock {
                    self.set_owners(identity, meta, unblocked(meta)).await?;
                    version = None;
                }
                self.delete(identity, meta, version, policy).await
            }
        }
    }

    async fn orphan_dependents(&self, uid: &str) -> Result<(), Failure> {
        let identities: Vec<Identity> =
            self.graph.lock().dependents(uid).into_iter().map(|(_, node)| node.identity.clone()).collect();
        for identity in identities {
            let Some(meta) = self.live(&identity).await? else { continue };
            let owners = meta.owner_references.clone().unwrap_or_default();
            if owners.iter().any(|reference| reference.uid == uid) {
                let kept = owners.into_iter().filter(|reference| reference.uid != uid).collect();
                self.set_owners(&identity, &meta, kept).await?;
            }
        }
        Ok(())
    }

    async fn set_owners(
        &self,
        identity: &Identity,
        meta: &ObjectMeta,
        owners: Vec<OwnerReference>,
    ) -> Result<(), Failure> {
        let owners = Some(owners).filter(|owners| !owners.is_empty());
        self.patch(identity, meta, json!({ "ownerReferences": owners })).await
    }

    async fn remove_finalizer(&self, identity: &Identity, meta: &ObjectMeta, finalizer: &str) -> Result<(), Failure> {
        let mut finalizers = meta.finalizers.clone().unwrap_or_default();
        finalizers.retain(|known| known != finalizer);
        let finalizers = Some(finalizers).filter(|finalizers| !finalizers.is_empty());
        self.patch(identity, meta, json!({ "finalizers": finalizers })).await
    }

    /// Patches metadata, on condition that nobody else did meanwhile.
    async fn patch(
        &self,
        identity: &Identity,
        meta: &ObjectMeta,
        mut metadata: serde_json::Value,
    ) -> Result<(), Failure> {
        let Some(api) = self.api(identity) else { return Ok(()) };
        metadata["uid"] = json!(meta.uid);
        metadata["resourceVersion"] = json!(meta.resource_version);
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        gone_is_fine(api.patch_metadata(&identity.name.name, &PatchParams::default(), &patch).await.map(drop))
    }

    async fn delete(
        &self,
        identity: &Identity,
        meta: &ObjectMeta,
        resource_version: Option<String>,
        policy: Policy,
    ) -> Result<(), Failure> {
        let Some(api) = self.api(identity) else { return Ok(()) };
        let parameters = DeleteParams {
            propagation_policy: Some(match policy {
                Policy::Background => PropagationPolicy::Background,
                Policy::Foreground => PropagationPolicy::Foreground,
                Policy::Orphan => PropagationPolicy::Orphan,
            }),
            preconditions: Some(Preconditions { uid: meta.uid.clone(), resource_version }),
            ..DeleteParams::default()
        };
        gone_is_fine(api.delete(&identity.name.name, &parameters).await.map(drop))
    }
}

fn gone_is_fine(answer: Result<(), Error>) -> Result<(), Failure> {
    match answer {
        Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
        _ => Ok(()),
    }
}

fn waits_for_dependents(meta: &ObjectMeta) -> bool {
    let foreground = meta.finalizers.iter().flatten().any(|finalizer| finalizer == graph::FOREGROUND);
    meta.deletion_timestamp.is_some() && foreground
}

/// The same owners, none of which has to wait for this object.
fn unblocked(meta: &ObjectMeta) -> Vec<OwnerReference> {
    let owners = meta.owner_references.iter().flatten();
    owners.map(|reference| OwnerReference { block_owner_deletion: Some(false), ..reference.clone() }).collect()
}

impl Controller for GarbageCollector {
    fn watches(&self) -> Vec<Watch> {
        Vec::new()
    }

    fn background(&self, queue: &WorkQueue<Key>) -> Option<BoxFuture<'static, ()>> {
        Some(monitors::run(self.cx.clone(), self.graph.clone(), self.resources.clone(), queue.clone()).boxed())
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        let queue = self.resources.queue();
        async move {
            let add = move |uid: &str| queue.iter().for_each(|queue| queue.add(Key::new("", uid)));
            self.sync(&key.name, &add).await
        }
        .boxed()
    }

    fn workers(&self) -> usize {
        20
    }
}

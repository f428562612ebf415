//! ReplicaSet: as many pods as the spec says. As upstream's `pkg/controller/replicaset`.

mod plan;
mod ranking;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::apps::v1::ReplicaSet;
use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::pod;
use sampan_client::{DeleteParams, Informer, PostParams, Preconditions, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::expectations::Expectations;
use crate::ownership::{self, controller_key};
use crate::slow_start;
use crate::table::Entry;
use plan::{Manage, Observed, Plan};

pub(crate) const ENTRY: Entry = Entry {
    name: "replicaset-controller",
    identity: "replicaset-controller",
    requires: &[],
    permissions: &[
        Rule { group: "apps", resources: &["replicasets"], verbs: &["get", "list", "watch", "update"] },
        Rule { group: "apps", resources: &["replicasets/status", "replicasets/finalizers"], verbs: &["update"] },
        Rule { group: "", resources: &["pods"], verbs: &["list", "watch", "create", "delete", "patch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(ReplicaSetController::new(context.clone())),
};

struct ReplicaSetController {
    cx: Context,
    replica_sets: Informer<ReplicaSet>,
    pods: Informer<Pod>,
    expectations: Expectations,
}

impl ReplicaSetController {
    fn new(cx: Context) -> Self {
        let (replica_sets, pods) = (cx.informer::<ReplicaSet>(), cx.informer::<Pod>());
        ownership::add_indices(&replica_sets);
        ownership::add_indices(&pods);
        Self { cx, replica_sets, pods, expectations: Expectations::default() }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(replica_set) = self.replica_sets.get(key) else {
            self.expectations.forget(key);
            return Ok(Next::Settled);
        };
        let late = self.expectations.outstanding(key, &self.pods);
        let pods =
            if late.is_some() { self.known_pods(&replica_set)? } else { self.claimed_pods(key, &replica_set).await? };
        let related = self.related_pods(&replica_set);
        let observed = Observed { replica_set: &replica_set, pods: &pods, related: &related, now: self.cx.now() };
        let Plan { manage, requeue } = plan::plan(&observed);
        let managed = if late.is_none() { self.manage(key, &replica_set, manage).await } else { Ok(()) };
        self.write_status(&observed, &managed).await?;
        managed?;
        Ok(Next::from(requeue).or_after(late))
    }

    /// What the cache shows as owned, without adopting or releasing anything.
    fn known_pods(&self, replica_set: &ReplicaSet) -> Result<Vec<Arc<Pod>>, Failure> {
        Ok(self.claims(replica_set)?.owned)
    }

    async fn claimed_pods(&self, key: &Key, replica_set: &ReplicaSet) -> Result<Vec<Arc<Pod>>, Failure> {
        let claims = self.claims(replica_set)?;
        let wrote = |pod: &Pod| self.expectations.wrote(key, pod);
        ownership::settle(replica_set, &self.cx.api(&key.namespace), &self.cx.api(&key.namespace), claims, wrote).await
    }

    /// Ended pods are neither adopted nor counted, as upstream.
    fn claims(&self, replica_set: &ReplicaSet) -> Result<ownership::Claims<Pod>, Failure> {
        let selector = replica_set.spec.as_ref().map(|spec| ownership::selector(&spec.selector)).transpose()?;
        let selector =
            selector.ok_or_else(|| Failure::Object(format!("replicaset {} has no spec", replica_set.name_any())))?;
        let candidates = ownership::candidates(&self.pods, &replica_set.metadata);
        let living = candidates.into_iter().filter(|pod| !pod::is_terminal(pod)).collect();
        Ok(ownership::claims(&replica_set.metadata, &selector, living))
    }

    /// The active pods of all ReplicaSets with the same controller: on a node with many of them one is missed least.
    fn related_pods(&self, replica_set: &ReplicaSet) -> Vec<Arc<Pod>> {
        let siblings = match ownership::controller_of(&replica_set.metadata) {
            Some(owner) => self.replica_sets.by_index(ownership::BY_CONTROLLER, &owner.uid),
            None => vec![Arc::new(replica_set.clone())],
        };
        let uids = siblings.iter().filter_map(|sibling| sibling.metadata.uid.as_deref());
        let mut pods: Vec<_> = uids.flat_map(|uid| self.pods.by_index(ownership::BY_CONTROLLER, uid)).collect();
        pods.retain(|pod| pod::is_active(pod));
        pods
    }

    async fn manage(&self, key: &Key, replica_set: &ReplicaSet, manage: Manage) -> Result<(), Failure> {
        match manage {
            Manage::Nothing => Ok(()),
            Manage::Create(count) => self.create(key, replica_set, count).await,
            Manage::Delete(pods) => self.delete(key, replica_set, pods).await,
        }
    }

    async fn create(&self, key: &Key, replica_set: &ReplicaSet, count: usize) -> Result<(), Failure> {
        let api = &self.cx.api::<Pod>(&key.namespace);
        let pod = &plan::new_pod(replica_set);
        let created = slow_start::all((0..count).collect(), |_| async move {
            let created = api.create(&PostParams::default(), pod).await?;
            self.expectations.wrote(key, &created);
            self.cx.recorder.normal(replica_set, "SuccessfulCreate", format!("Created pod: {}", created.name_any()));
            Ok(())
        });
        match created.await {
            // Nothing can be created any more, and nothing needs to be.
            Err(failure) if error::is_namespace_terminating(&failure) => Ok(()),
            Err(failure) => {
                self.cx.recorder.warning(
                    replica_set,
                    "FailedCreate",
                    format!("Error creating: {}", error::message(&failure)),
                );
                Err(failure.into())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn delete(&self, key: &Key, replica_set: &ReplicaSet, pods: Vec<Arc<Pod>>) -> Result<(), Failure> {
        let api = &self.cx.api::<Pod>(&key.namespace);
        let deleted = slow_start::all(pods, |pod| async move {
            let name = pod.name_any();
            let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
            match api.delete(&name, &DeleteParams { preconditions, ..DeleteParams::default() }).await {
                Err(failure) if !error::is_not_found(&failure) => return Err(failure),
                _ => {}
            }
            self.expectations.deleted(key, &*pod);
            self.cx.recorder.normal(replica_set, "SuccessfulDelete", format!("Deleted pod: {name}"));
            Ok(())
        });
        deleted.await.map_err(|failure| {
            self.cx.recorder.warning(
                replica_set,
                "FailedDelete",
                format!("Error deleting: {}", error::message(&failure)),
            );
            failure.into()
        })
    }

    /// Written by `update`, as the role allows, against the version the plan was made of.
    async fn write_status(&self, observed: &Observed<'_>, managed: &Result<(), Failure>) -> Result<(), Failure> {
        let failure = managed.as_ref().err().map(ToString::to_string);
        let Some(status) = plan::status(observed, failure.as_deref()) else { return Ok(()) };
        let mut replica_set = observed.replica_set.clone();
        replica_set.status = Some(status);
        let api = self.cx.api::<ReplicaSet>(replica_set.metadata.namespace.as_deref().unwrap_or_default());
        match api.replace_status(&replica_set.name_any(), &PostParams::default(), &replica_set).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(()),
        }
    }
}

impl Controller for ReplicaSetController {
    fn watches(&self) -> Vec<Watch> {
        let replica_sets = self.replica_sets.clone();
        let pods = Watch::new(&self.pods, move |change| {
            let mut keys: Vec<Key> =
                change.states().filter_map(|pod| controller_key::<ReplicaSet>(&pod.metadata)).collect();
            keys.extend(change.new.iter().flat_map(|pod| possible_owners(&replica_sets, pod)));
            keys
        });
        vec![Watch::each(&self.replica_sets), pods]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

/// The ReplicaSets that might adopt an orphan.
fn possible_owners(replica_sets: &Informer<ReplicaSet>, pod: &Pod) -> Vec<Key> {
    if ownership::controller_of(&pod.metadata).is_some() || pod::is_terminating(pod) {
        return Vec::new();
    }
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let candidates = replica_sets.list_namespace(namespace).into_iter();
    let adopts = |replica_set: &Arc<ReplicaSet>| {
        let selector = replica_set.spec.as_ref().and_then(|spec| ownership::selector(&spec.selector).ok());
        selector.is_some_and(|selector| sampan_client::informer::matches(&selector, pod))
    };
    candidates.filter(adopts).map(|replica_set| Key::new(namespace, replica_set.name_any())).collect()
}

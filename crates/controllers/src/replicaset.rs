//! ReplicaSet: as many pods as the spec says. As upstream's `pkg/controller/replicaset`.
//!
//! A ReplicationController is one of an older spelling ([`Replicated`]) and runs through the same code.

mod plan;
mod ranking;

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::pod;
use sampan_client::{
    DeleteParams, Informer, NamespaceResourceScope, PostParams, Preconditions, Resource, ResourceExt, Watched, error,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

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
    make: |context| Arc::new(ReplicaSetController::<ReplicaSet>::new(context.clone())),
};

/// A kind that keeps a number of pods, as a ReplicaSet does.
pub(crate) trait Replicated:
    Watched + Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned + Debug + PartialEq
{
    /// The ReplicaSet it would be.
    fn as_replica_set(&self) -> Cow<'_, ReplicaSet>;

    /// Itself with another status, as far as it can say it.
    fn with_status(&self, status: ReplicaSetStatus) -> Self;
}

impl Replicated for ReplicaSet {
    fn as_replica_set(&self) -> Cow<'_, ReplicaSet> {
        Cow::Borrowed(self)
    }

    fn with_status(&self, status: ReplicaSetStatus) -> Self {
        Self { status: Some(status), ..self.clone() }
    }
}

pub(crate) struct ReplicaSetController<K: Watched> {
    cx: Context,
    replica_sets: Informer<K>,
    pods: Informer<Pod>,
    expectations: Expectations,
}

impl<K: Replicated> ReplicaSetController<K> {
    pub(crate) fn new(cx: Context) -> Self {
        let (replica_sets, pods) = (cx.informer::<K>(), cx.informer::<Pod>());
        ownership::add_indices(&replica_sets);
        ownership::add_indices(&pods);
        Self { cx, replica_sets, pods, expectations: Expectations::default() }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(owner) = self.replica_sets.get(key) else {
            self.expectations.forget(key);
            return Ok(Next::Settled);
        };
        let replica_set = owner.as_replica_set();
        let late = self.expectations.outstanding(key, &self.pods);
        let pods = if late.is_some() { self.claims(&*owner)?.owned } else { self.claimed_pods(key, &*owner).await? };
        let related = self.related_pods(&owner);
        let observed = Observed { replica_set: &replica_set, pods: &pods, related: &related, now: self.cx.now() };
        let Plan { manage, requeue } = plan::plan(&observed);
        let managed = if late.is_none() { self.manage(key, &*owner, manage).await } else { Ok(()) };
        self.write_status(&*owner, &observed, &managed).await?;
        managed?;
        Ok(Next::from(requeue).or_after(late))
    }

    async fn claimed_pods(&self, key: &Key, replica_set: &K) -> Result<Vec<Arc<Pod>>, Failure> {
        let claims = self.claims(replica_set)?;
        let wrote = |pod: &Pod| self.expectations.wrote(key, pod);
        ownership::settle(replica_set, &self.cx.api(&key.namespace), &self.cx.api(&key.namespace), claims, wrote).await
    }

    /// Ended pods are neither adopted nor counted, as upstream.
    fn claims(&self, replica_set: &K) -> Result<ownership::Claims<Pod>, Failure> {
        let selector = selector(replica_set).transpose()?;
        let kind = || K::kind(&()).to_lowercase();
        let selector =
            selector.ok_or_else(|| Failure::Object(format!("{} {} has no spec", kind(), replica_set.name_any())))?;
        let candidates = ownership::candidates(&self.pods, replica_set.meta());
        let living = candidates.into_iter().filter(|pod| !pod::is_terminal(pod)).collect();
        Ok(ownership::claims(replica_set.meta(), &selector, living))
    }

    /// The active pods of all ReplicaSets with the same controller: on a node with many of them one is missed least.
    fn related_pods(&self, replica_set: &Arc<K>) -> Vec<Arc<Pod>> {
        let siblings = match ownership::controller_of(replica_set.meta()) {
            Some(owner) => self.replica_sets.by_index(ownership::BY_CONTROLLER, &owner.uid),
            None => vec![replica_set.clone()],
        };
        let uids = siblings.iter().filter_map(|sibling| sibling.meta().uid.as_deref());
        let mut pods: Vec<_> = uids.flat_map(|uid| self.pods.by_index(ownership::BY_CONTROLLER, uid)).collect();
        pods.retain(|pod| pod::is_active(pod));
        pods
    }

    async fn manage(&self, key: &Key, replica_set: &K, manage: Manage) -> Result<(), Failure> {
        match manage {
            Manage::Nothing => Ok(()),
            Manage::Create(count) => self.create(key, replica_set, count).await,
            Manage::Delete(pods) => self.delete(key, replica_set, pods).await,
        }
    }

    async fn create(&self, key: &Key, replica_set: &K, count: usize) -> Result<(), Failure> {
        let api = &self.cx.api::<Pod>(&key.namespace);
        let template = replica_set.as_replica_set().spec.as_ref().and_then(|spec| spec.template.clone());
        let pod = &plan::new_pod(replica_set, template.unwrap_or_default());
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

    async fn delete(&self, key: &Key, replica_set: &K, pods: Vec<Arc<Pod>>) -> Result<(), Failure> {
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
    async fn write_status(
        &self,
        replica_set: &K,
        observed: &Observed<'_>,
        managed: &Result<(), Failure>,
    ) -> Result<(), Failure> {
        let failure = managed.as_ref().err().map(ToString::to_string);
        let Some(status) = plan::status(observed, failure.as_deref()) else { return Ok(()) };
        let changed = replica_set.with_status(status);
        if changed == *replica_set {
            return Ok(());
        }
        let api = self.cx.api::<K>(replica_set.meta().namespace.as_deref().unwrap_or_default());
        match api.replace_status(&changed.name_any(), &PostParams::default(), &changed).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(()),
        }
    }
}

impl<K: Replicated> Controller for ReplicaSetController<K> {
    fn watches(&self) -> Vec<Watch> {
        let replica_sets = self.replica_sets.clone();
        let pods = Watch::new(&self.pods, move |change| {
            let mut keys: Vec<Key> = change.states().filter_map(|pod| controller_key::<K>(&pod.metadata)).collect();
            keys.extend(change.new.iter().flat_map(|pod| possible_owners(&replica_sets, pod)));
            keys
        });
        vec![Watch::each(&self.replica_sets), pods]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

/// What selects its pods; `None`: it has no spec.
fn selector<K: Replicated>(replica_set: &K) -> Option<Result<sampan_meta::selector::LabelSelector, Failure>> {
    replica_set.as_replica_set().spec.as_ref().map(|spec| ownership::selector(&spec.selector))
}

/// The owners that might adopt an orphan.
fn possible_owners<K: Replicated>(replica_sets: &Informer<K>, pod: &Pod) -> Vec<Key> {
    if ownership::controller_of(&pod.metadata).is_some() || pod::is_terminating(pod) {
        return Vec::new();
    }
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let adopts = |replica_set: &Arc<K>| {
        selector(&**replica_set)
            .and_then(Result::ok)
            .is_some_and(|selector| sampan_client::informer::matches(&selector, pod))
    };
    let candidates = replica_sets.list_namespace(namespace).into_iter().filter(adopts);
    candidates.map(|replica_set| Key::new(namespace, replica_set.name_any())).collect()
}

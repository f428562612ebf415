//! DaemonSet: one pod on every node that fits. As upstream's `pkg/controller/daemon`.

mod backoff;
mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::apps::v1::{ControllerRevision, DaemonSet, DaemonSetStatus};
use sampan_api::k8s::api::core::v1::{Node, Pod};
use sampan_api::pod;
use sampan_client::{Api, DeleteParams, Informer, PostParams, Preconditions, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::expectations::Expectations;
use crate::ownership::{self, controller_key};
use crate::table::Entry;
use crate::{history, slow_start};
use backoff::FailedPods;
use plan::{Observed, Plan};

pub(crate) const ENTRY: Entry = Entry {
    name: "daemonset-controller",
    identity: "daemon-set-controller",
    requires: &[("apps", "daemonsets"), ("apps", "controllerrevisions")],
    permissions: &[
        Rule { group: "apps", resources: &["daemonsets"], verbs: &["get", "list", "watch"] },
        Rule { group: "apps", resources: &["daemonsets/status", "daemonsets/finalizers"], verbs: &["update"] },
        Rule { group: "", resources: &["nodes"], verbs: &["list", "watch"] },
        Rule { group: "", resources: &["pods"], verbs: &["list", "watch", "create", "delete", "patch"] },
        Rule {
            group: "apps",
            resources: &["controllerrevisions"],
            verbs: &["get", "list", "watch", "create", "delete", "patch", "update"],
        },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(DaemonSetController::new(context.clone())),
};

struct DaemonSetController {
    cx: Context,
    sets: Informer<DaemonSet>,
    nodes: Informer<Node>,
    pods: Informer<Pod>,
    revisions: Informer<ControllerRevision>,
    /// Writes to pods.
    expectations: Expectations,
    failed: FailedPods,
}

impl DaemonSetController {
    fn new(cx: Context) -> Self {
        let (pods, revisions) = (cx.informer::<Pod>(), cx.informer::<ControllerRevision>());
        ownership::add_indices(&pods);
        ownership::add_indices(&revisions);
        let (sets, nodes) = (cx.informer(), cx.informer());
        let (expectations, failed) = (Expectations::default(), FailedPods::default());
        Self { cx, sets, nodes, pods, revisions, expectations, failed }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(set) = self.sets.get(key).filter(|set| set.metadata.deletion_timestamp.is_none()) else {
            self.expectations.forget(key);
            return Ok(Next::Settled);
        };
        let spec = set.spec.as_ref().ok_or_else(|| Failure::Object(format!("daemonset {key} has no spec")))?;
        let selector = ownership::selector(&spec.selector)?;
        let mut revisions = self.claimed_revisions(key, &set, &selector).await?;
        history::sort(&mut revisions);
        let collisions = set.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0);
        let number = history::next_number(&revisions);
        let wanted = history::new(&*set, &spec.template, history::REVISION, number, collisions);
        let newest = history::newest(&revisions, wanted);
        let (update, collisions) =
            history::realize(&self.cx.api(&key.namespace), &*set, history::REVISION, newest, collisions).await?;

        let late = self.expectations.outstanding(key, &self.pods);
        let claims = ownership::claims(&set.metadata, &selector, ownership::candidates(&self.pods, &set.metadata));
        let pods = match late {
            Some(_) => claims.owned,
            None => {
                let wrote = |pod: &Pod| self.expectations.wrote(key, pod);
                let (sets, objects) = (self.cx.api(&key.namespace), self.cx.api(&key.namespace));
                ownership::settle(&*set, &sets, &objects, claims, wrote).await?
            }
        };
        let Plan { create, delete, failed, status, requeue } = {
            let nodes = self.nodes.list();
            let in_backoff = |node: &str| self.failed.remaining(&set, node);
            let now = self.cx.now();
            let hash = plan::hash_of(&update).unwrap_or_default();
            let observed =
                Observed { set: &set, nodes: &nodes, pods: &pods, hash, collisions, in_backoff: &in_backoff, now };
            plan::plan(&observed)
        };
        let managed = match late {
            Some(_) => Ok(()),
            None => {
                failed.iter().for_each(|(node, pod)| self.tell_ended(&set, node, pod));
                self.manage(key, &set, &update, create, delete).await
            }
        };
        self.write_status(key, &set, status).await?;
        managed?;
        let live = |revision: &ControllerRevision| plan::is_live(revision, &pods, &update);
        let surplus = history::surplus(&revisions, &live, spec.revision_history_limit.unwrap_or(10));
        history::delete(&self.cx.api(&key.namespace), surplus).await?;
        Ok(Next::from(requeue).or_after(late))
    }

    async fn claimed_revisions(
        &self,
        key: &Key,
        set: &DaemonSet,
        selector: &sampan_meta::selector::LabelSelector,
    ) -> Result<Vec<Arc<ControllerRevision>>, Failure> {
        let candidates = ownership::candidates(&self.revisions, &set.metadata);
        let claims = ownership::claims(&set.metadata, selector, candidates);
        ownership::settle(set, &self.cx.api(&key.namespace), &self.cx.api(&key.namespace), claims, |_| {}).await
    }

    async fn manage(
        &self,
        key: &Key,
        set: &DaemonSet,
        revision: &ControllerRevision,
        create: Vec<String>,
        delete: Vec<Arc<Pod>>,
    ) -> Result<(), Failure> {
        let (cx, api) = (&self.cx, &self.cx.api::<Pod>(&key.namespace));
        let created = slow_start::all(create, |node| async move {
            let created = api.create(&PostParams::default(), &plan::new_pod(set, revision, &node)).await?;
            self.expectations.wrote(key, &created);
            cx.recorder.normal(set, "SuccessfulCreate", format!("Created pod: {}", created.name_any()));
            Ok(())
        });
        match created.await {
            Err(failure) if !error::is_namespace_terminating(&failure) => {
                cx.recorder.warning(set, "FailedCreate", format!("Error creating: {}", error::message(&failure)));
                return Err(failure.into());
            }
            _ => {}
        }
        slow_start::all(delete, |pod| async move { self.delete(key, set, api, &pod).await }).await?;
        Ok(())
    }

    async fn delete(&self, key: &Key, set: &DaemonSet, api: &Api<Pod>, pod: &Pod) -> Result<(), sampan_client::Error> {
        let name = pod.name_any();
        let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
        match api.delete(&name, &DeleteParams { preconditions, ..DeleteParams::default() }).await {
            Err(failure) if error::is_not_found(&failure) => {}
            Err(failure) => {
                let message = format!("Error deleting: {}", error::message(&failure));
                self.cx.recorder.warning(set, "FailedDelete", message);
                return Err(failure);
            }
            Ok(_) => self.cx.recorder.normal(set, "SuccessfulDelete", format!("Deleted pod: {name}")),
        }
        self.expectations.deleted(key, pod);
        Ok(())
    }

    /// A pod that failed is replaced, at growing intervals if it fails again: its node may have refused it.
    fn tell_ended(&self, set: &DaemonSet, node: &str, ended: &Pod) {
        let name = format!("{}/{}", ended.metadata.namespace.as_deref().unwrap_or_default(), ended.name_any());
        if pod::phase(ended) == "Succeeded" {
            let message = format!("Found succeeded daemon pod {name} on node {node}, will try to delete it");
            self.cx.recorder.normal(set, "SucceededDaemonPod", message);
        } else {
            self.failed.note(set, node);
            let message = format!("Found failed daemon pod {name} on node {node}, will try to kill it");
            self.cx.recorder.warning(set, "FailedDaemonPod", message);
        }
    }

    async fn write_status(&self, key: &Key, set: &DaemonSet, status: Option<DaemonSetStatus>) -> Result<(), Failure> {
        let Some(status) = status else { return Ok(()) };
        let changed = DaemonSet { status: Some(status), ..set.clone() };
        let api = self.cx.api::<DaemonSet>(&key.namespace);
        match api.replace_status(&key.name, &PostParams::default(), &changed).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(()),
        }
    }
}

impl Controller for DaemonSetController {
    fn watches(&self) -> Vec<Watch> {
        let sets = self.sets.clone();
        let pods = Watch::new(&self.pods, move |change| {
            let mut keys: Vec<Key> =
                change.states().filter_map(|pod| controller_key::<DaemonSet>(&pod.metadata)).collect();
            keys.extend(change.new.iter().flat_map(|pod| possible_owners(&sets, pod)));
            keys
        });
        let revisions = Watch::new(&self.revisions, |change| {
            change.states().filter_map(|revision| controller_key::<DaemonSet>(&revision.metadata)).collect()
        });
        // Most changes of a node are signs of life and change nothing for anybody.
        let sets = self.sets.clone();
        let nodes = Watch::new(&self.nodes, move |change| {
            let differs = |set: &Arc<DaemonSet>| {
                let at = |node: &Option<Arc<Node>>| node.as_ref().map(|node| plan::place(set, node));
                at(&change.old) != at(&change.new)
            };
            sets.list()
                .iter()
                .filter(|set| differs(set))
                .map(|set| sampan_client::informer::name_of::<DaemonSet>((**set).clone()))
                .collect()
        });
        vec![Watch::each(&self.sets), pods, revisions, nodes]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

/// The DaemonSets that might adopt an orphan.
fn possible_owners(sets: &Informer<DaemonSet>, pod: &Pod) -> Vec<Key> {
    if ownership::controller_of(&pod.metadata).is_some() || pod::is_terminating(pod) {
        return Vec::new();
    }
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let adopts = |set: &Arc<DaemonSet>| {
        let selector = set.spec.as_ref().and_then(|spec| ownership::selector(&spec.selector).ok());
        selector.is_some_and(|selector| sampan_client::informer::matches(&selector, pod))
    };
    sets.list_namespace(namespace).into_iter().filter(adopts).map(|set| Key::new(namespace, set.name_any())).collect()
}

//! StatefulSet: pods with names, storage and an order. As upstream's `pkg/controller/statefulset`.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::apps::v1::{ControllerRevision, StatefulSet, StatefulSetStatus};
use sampan_api::k8s::api::core::v1::{PersistentVolumeClaim, Pod};
use sampan_client::{Api, DeleteParams, Informer, PostParams, Preconditions, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::expectations::Expectations;
use crate::ownership::{self, controller_key};
use crate::table::Entry;
use crate::{history, slow_start};
use plan::{Observed, Plan};

pub(crate) const ENTRY: Entry = Entry {
    name: "statefulset-controller",
    identity: "statefulset-controller",
    requires: &[("apps", "statefulsets"), ("apps", "controllerrevisions"), ("", "persistentvolumeclaims")],
    permissions: &[
        Rule { group: "apps", resources: &["statefulsets"], verbs: &["get", "list", "watch"] },
        Rule { group: "apps", resources: &["statefulsets/status", "statefulsets/finalizers"], verbs: &["update"] },
        Rule {
            group: "",
            resources: &["pods"],
            verbs: &["get", "list", "watch", "create", "delete", "patch", "update"],
        },
        Rule { group: "", resources: &["pods/finalizers"], verbs: &["update"] },
        Rule {
            group: "apps",
            resources: &["controllerrevisions"],
            verbs: &["get", "list", "watch", "create", "delete", "patch", "update"],
        },
        Rule {
            group: "",
            resources: &["persistentvolumeclaims"],
            verbs: &["get", "list", "watch", "create", "delete", "update"],
        },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(StatefulSetController::new(context.clone())),
};

/// Where a revision's hash is written.
const HASH: &str = "controller.kubernetes.io/hash";

struct StatefulSetController {
    cx: Context,
    sets: Informer<StatefulSet>,
    pods: Informer<Pod>,
    claims: Informer<PersistentVolumeClaim>,
    revisions: Informer<ControllerRevision>,
    /// Writes to pods, and to the StatefulSet itself. Claims and revisions have names that make a second creation harmless.
    expectations: Expectations,
    own: Expectations,
}

impl StatefulSetController {
    fn new(cx: Context) -> Self {
        let (pods, revisions) = (cx.informer::<Pod>(), cx.informer::<ControllerRevision>());
        ownership::add_indices(&pods);
        ownership::add_indices(&revisions);
        let (sets, claims) = (cx.informer(), cx.informer());
        Self { cx, sets, pods, claims, revisions, expectations: Expectations::default(), own: Expectations::default() }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(set) = self.sets.get(key).filter(|set| set.metadata.deletion_timestamp.is_none()) else {
            self.expectations.forget(key);
            self.own.forget(key);
            return Ok(Next::Settled);
        };
        let late = self.own.outstanding(key, &self.sets).or_else(|| self.expectations.outstanding(key, &self.pods));
        if let Some(late) = late {
            return Ok(Next::After(late));
        }
        let spec = set.spec.as_ref().ok_or_else(|| Failure::Object(format!("statefulset {key} has no spec")))?;
        let mut revisions = self.claimed_revisions(key, &set).await?;
        history::sort(&mut revisions);
        let collisions = set.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0);
        let wanted = history::new(&*set, &spec.template, HASH, history::next_number(&revisions), collisions);
        let newest = history::newest(&revisions, wanted);
        let (update, collisions) =
            history::realize(&self.cx.api(&key.namespace), &*set, HASH, newest, collisions).await?;
        let current = plan::current_revision(&set, &revisions).unwrap_or_else(|| update.clone());

        let pods = self.claimed_pods(key, &set).await?;
        let mut plan = {
            let claim = |name: &str| self.claims.get(&Key::new(key.namespace.clone(), name));
            let (current, update, now) = (&*current, &*update, self.cx.now());
            plan::plan(&Observed { set: &set, pods: &pods, claim: &claim, current, update, collisions, now })
        };
        let (status, requeue) = (plan.status.take(), plan.requeue);
        let carried_out = self.carry_out(key, &set, plan).await;
        self.write_status(key, &set, status).await?;
        carried_out?;
        let live = |revision: &ControllerRevision| plan::is_live(revision, &pods, &current, &update);
        let surplus = history::surplus(&revisions, &live, spec.revision_history_limit.unwrap_or(10));
        history::delete(&self.cx.api(&key.namespace), surplus).await?;
        Ok(Next::from(requeue))
    }

    /// The pods that match by label and by name; the names of others could not be told apart.
    async fn claimed_pods(&self, key: &Key, set: &StatefulSet) -> Result<Vec<Arc<Pod>>, Failure> {
        let selector = self.selector(key, set)?;
        let is_member = |pod: &Pod| sampan_client::informer::matches(&selector, pod) && plan::is_member(set, pod);
        let claims =
            ownership::claims_where(&set.metadata, is_member, ownership::candidates(&self.pods, &set.metadata));
        let wrote = |pod: &Pod| self.expectations.wrote(key, pod);
        ownership::settle(set, &self.cx.api(&key.namespace), &self.cx.api(&key.namespace), claims, wrote).await
    }

    /// Revisions are adopted and never released: those that do not match any more are left for the garbage collector.
    async fn claimed_revisions(&self, key: &Key, set: &StatefulSet) -> Result<Vec<Arc<ControllerRevision>>, Failure> {
        let selector = self.selector(key, set)?;
        let candidates = ownership::candidates(&self.revisions, &set.metadata);
        let mut claims = ownership::claims(&set.metadata, &selector, candidates);
        claims.release.clear();
        ownership::settle(set, &self.cx.api(&key.namespace), &self.cx.api(&key.namespace), claims, |_| {}).await
    }

    fn selector(&self, key: &Key, set: &StatefulSet) -> Result<sampan_meta::selector::LabelSelector, Failure> {
        let spec = set.spec.as_ref().ok_or_else(|| Failure::Object(format!("statefulset {key} has no spec")))?;
        ownership::selector(&spec.selector)
    }

    /// Claims go first: no pod is made before its storage is asked for.
    async fn carry_out(&self, key: &Key, set: &StatefulSet, plan: Plan) -> Result<(), Failure> {
        let Plan { claims, owners, create, update, delete, blocked, status: _, requeue: _ } = plan;
        for claim in claims {
            self.create_claim(key, set, &claim).await?;
        }
        let api: Api<PersistentVolumeClaim> = self.cx.api(&key.namespace);
        for claim in owners {
            match api.replace(&claim.name_any(), &PostParams::default(), &claim).await {
                Err(failure) if !error::is_not_found(&failure) => return Err(failure.into()),
                _ => {}
            }
        }
        let api = &self.cx.api::<Pod>(&key.namespace);
        slow_start::all(create, |pod| async move { self.create(key, set, api, &pod).await }).await?;
        for pod in update {
            let written = api.replace(&pod.name_any(), &PostParams::default(), &pod).await;
            self.tell(set, "Update", "update", &pod.name_any(), written.as_ref().err());
            self.expectations.wrote(key, &written?);
        }
        slow_start::all(delete, |pod| async move { self.delete(key, set, api, &pod).await }).await?;
        if let Some((pod, why)) = blocked {
            let message = format!("create Pod {pod} in StatefulSet {} failed error: {why}", key.name);
            self.cx.recorder.warning(set, "FailedCreate", message);
        }
        Ok(())
    }

    async fn create_claim(&self, key: &Key, set: &StatefulSet, claim: &PersistentVolumeClaim) -> Result<(), Failure> {
        let api: Api<PersistentVolumeClaim> = self.cx.api(&key.namespace);
        let (name, pod) = (claim.name_any(), plan::pod_of_claim(set, claim));
        match api.create(&PostParams::default(), claim).await {
            Err(failure) if error::is_already_exists(&failure) => Ok(()),
            Err(failure) => {
                let why = error::message(&failure);
                let message =
                    format!("create Claim {name} for Pod {pod} in StatefulSet {} failed error: {why}", key.name);
                self.cx.recorder.warning(set, "FailedCreate", message);
                Err(failure.into())
            }
            Ok(_) => {
                let message = format!("create Claim {name} Pod {pod} in StatefulSet {} success", key.name);
                self.cx.recorder.normal(set, "SuccessfulCreate", message);
                Ok(())
            }
        }
    }

    async fn create(
        &self,
        key: &Key,
        set: &StatefulSet,
        api: &Api<Pod>,
        pod: &Pod,
    ) -> Result<(), sampan_client::Error> {
        let created = api.create(&PostParams::default(), pod).await;
        if created.as_ref().err().is_some_and(error::is_namespace_terminating) {
            return Ok(());
        }
        // Whoever holds the name goes some day; until then it is tried again, without an event each time.
        if !created.as_ref().err().is_some_and(error::is_already_exists) {
            self.tell(set, "Create", "create", &pod.name_any(), created.as_ref().err());
        }
        self.expectations.wrote(key, &created?);
        Ok(())
    }

    async fn delete(
        &self,
        key: &Key,
        set: &StatefulSet,
        api: &Api<Pod>,
        pod: &Pod,
    ) -> Result<(), sampan_client::Error> {
        let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
        let deleted = api.delete(&pod.name_any(), &DeleteParams { preconditions, ..DeleteParams::default() }).await;
        if !deleted.as_ref().err().is_some_and(error::is_not_found) {
            self.tell(set, "Delete", "delete", &pod.name_any(), deleted.as_ref().err());
            deleted?;
        }
        self.expectations.deleted(key, pod);
        Ok(())
    }

    fn tell(&self, set: &StatefulSet, title: &str, verb: &str, pod: &str, failure: Option<&sampan_client::Error>) {
        let subject = format!("{verb} Pod {pod} in StatefulSet {}", set.name_any());
        match failure {
            None => self.cx.recorder.normal(set, &format!("Successful{title}"), format!("{subject} successful")),
            Some(failure) => {
                let message = format!("{subject} failed error: {}", error::message(failure));
                self.cx.recorder.warning(set, &format!("Failed{title}"), message);
            }
        }
    }

    async fn write_status(
        &self,
        key: &Key,
        set: &StatefulSet,
        status: Option<StatefulSetStatus>,
    ) -> Result<(), Failure> {
        let Some(status) = status else { return Ok(()) };
        let changed = StatefulSet { status: Some(status), ..set.clone() };
        let api = self.cx.api::<StatefulSet>(&key.namespace);
        match api.replace_status(&key.name, &PostParams::default(), &changed).await {
            Ok(written) => self.own.wrote(key, &written),
            Err(failure) if error::is_not_found(&failure) => {}
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }
}

impl Controller for StatefulSetController {
    fn watches(&self) -> Vec<Watch> {
        let sets = self.sets.clone();
        let pods = Watch::new(&self.pods, move |change| {
            let mut keys: Vec<Key> =
                change.states().filter_map(|pod| controller_key::<StatefulSet>(&pod.metadata)).collect();
            keys.extend(change.new.iter().filter_map(|pod| possible_owner(&sets, pod)));
            keys
        });
        // A claim that goes at last makes room for one of the same name.
        let sets = self.sets.clone();
        let claims = Watch::new(&self.claims, move |change| match (&change.old, &change.new) {
            (Some(claim), None) => plan::sets_of_claim(claim, &|key| sets.get(key)),
            _ => Vec::new(),
        });
        let revisions = Watch::new(&self.revisions, |change| {
            change.states().filter_map(|revision| controller_key::<StatefulSet>(&revision.metadata)).collect()
        });
        vec![Watch::each(&self.sets), pods, claims, revisions]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

/// The StatefulSet that an orphan is named after.
fn possible_owner(sets: &Informer<StatefulSet>, pod: &Pod) -> Option<Key> {
    if ownership::controller_of(&pod.metadata).is_some() || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let (parent, _) = plan::parent_and_ordinal(pod.metadata.name.as_deref()?)?;
    let key = Key::new(pod.metadata.namespace.clone().unwrap_or_default(), parent);
    sets.get(&key).map(|_| key)
}

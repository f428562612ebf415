//! Deployment: a ReplicaSet per template, and the way from one to the next. As upstream's `pkg/controller/deployment`.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::apps::v1::{Deployment, ReplicaSet};
use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::pod;
use sampan_client::{Api, DeleteParams, Informer, PostParams, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::expectations::Expectations;
use crate::ownership::{self, controller_key};
use crate::table::Entry;
use plan::{Observed, Plan, Scaled};

pub(crate) const ENTRY: Entry = Entry {
    name: "deployment-controller",
    identity: "deployment-controller",
    requires: &[],
    permissions: &[
        Rule { group: "apps", resources: &["deployments"], verbs: &["get", "list", "watch", "update"] },
        Rule { group: "apps", resources: &["deployments/status", "deployments/finalizers"], verbs: &["update"] },
        Rule {
            group: "apps",
            resources: &["replicasets"],
            verbs: &["get", "list", "watch", "create", "update", "patch", "delete"],
        },
        Rule { group: "", resources: &["pods"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(DeploymentController::new(context.clone())),
};

const REVISION: &str = "deployment.kubernetes.io/revision";

struct DeploymentController {
    cx: Context,
    deployments: Informer<Deployment>,
    replica_sets: Informer<ReplicaSet>,
    pods: Informer<Pod>,
    /// Writes to ReplicaSets.
    expectations: Expectations,
}

impl DeploymentController {
    fn new(cx: Context) -> Self {
        let (deployments, replica_sets, pods) = (cx.informer(), cx.informer(), cx.informer());
        ownership::add_indices(&replica_sets);
        ownership::add_indices(&pods);
        Self { cx, deployments, replica_sets, pods, expectations: Expectations::default() }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(deployment) = self.deployments.get(key) else {
            self.expectations.forget(key);
            return Ok(Next::Settled);
        };
        if let Some(late) = self.expectations.outstanding(key, &self.replica_sets) {
            return Ok(Next::After(late));
        }
        let replica_sets = self.claimed(key, &deployment).await?;
        let pods_of = |set: &ReplicaSet| self.has_pods(set);
        let now = self.cx.now();
        let plan =
            plan::plan(&Observed { deployment: &deployment, replica_sets: &replica_sets, pods_of: &pods_of, now });
        let requeue = plan.requeue;
        self.carry_out(key, &deployment, plan).await?;
        Ok(Next::from(requeue))
    }

    async fn claimed(&self, key: &Key, deployment: &Deployment) -> Result<Vec<Arc<ReplicaSet>>, Failure> {
        let spec = deployment.spec.as_ref().ok_or_else(|| Failure::Object(format!("deployment {key} has no spec")))?;
        let selector = ownership::selector(&spec.selector)?;
        let candidates = ownership::candidates(&self.replica_sets, &deployment.metadata);
        let claims = ownership::claims(&deployment.metadata, &selector, candidates);
        let wrote = |set: &ReplicaSet| self.expectations.wrote(key, set);
        ownership::settle(deployment, &self.cx.api(&key.namespace), &self.cx.api(&key.namespace), claims, wrote).await
    }

    fn has_pods(&self, set: &ReplicaSet) -> bool {
        let pods = self.pods.by_index(ownership::BY_CONTROLLER, set.metadata.uid.as_deref().unwrap_or_default());
        pods.iter().any(|pod| !pod::is_terminal(pod))
    }

    async fn carry_out(&self, key: &Key, deployment: &Deployment, plan: Plan) -> Result<(), Failure> {
        let sets: Api<ReplicaSet> = self.cx.api(&key.namespace);
        let Plan { create, update, delete, revision, status, requeue: _ } = plan;
        let mut status = status;
        if let Some(set) = create {
            match self.create(key, deployment, &sets, &set).await? {
                Created::Ours => {}
                Created::NameTaken => status = Some(plan::after_collision(deployment)),
            }
        }
        for (set, scaled) in update {
            let written = sets.replace(&set.name_any(), &PostParams::default(), &set).await?;
            self.expectations.wrote(key, &written);
            scaled.iter().for_each(|scaled| self.tell_scaled(deployment, &set, *scaled));
        }
        for name in delete {
            match sets.delete(&name, &DeleteParams::default()).await {
                Err(failure) if !error::is_not_found(&failure) => return Err(failure.into()),
                _ => {}
            }
        }
        self.write(key, deployment, revision, status).await
    }

    async fn create(
        &self,
        key: &Key,
        deployment: &Deployment,
        sets: &Api<ReplicaSet>,
        set: &ReplicaSet,
    ) -> Result<Created, Failure> {
        match sets.create(&PostParams::default(), set).await {
            Ok(created) => {
                self.expectations.wrote(key, &created);
                let to = created.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
                if to > 0 {
                    self.tell_scaled(deployment, &created, Scaled { from: 0, to });
                }
                Ok(Created::Ours)
            }
            Err(failure) if error::is_already_exists(&failure) => self.examine(deployment, sets, set).await,
            Err(failure) if error::is_namespace_terminating(&failure) => Ok(Created::Ours),
            Err(failure) => {
                let message =
                    format!("Failed to create new replica set \"{}\": {}", set.name_any(), error::message(&failure));
                self.cx.recorder.warning(deployment, "ReplicaSetCreateError", message.clone());
                let status = plan::refused(deployment, message, self.cx.now());
                self.write(key, deployment, None, status).await?;
                Err(failure.into())
            }
        }
    }

    /// The name is taken: by our own ReplicaSet that the cache does not show yet, or by a foreign one.
    async fn examine(
        &self,
        deployment: &Deployment,
        sets: &Api<ReplicaSet>,
        wanted: &ReplicaSet,
    ) -> Result<Created, Failure> {
        let existing = sets.get(&wanted.name_any()).await?;
        let ours = ownership::controller_of(&existing.metadata)
            .is_some_and(|owner| Some(&owner.uid) == deployment.metadata.uid.as_ref());
        let template = |set: &ReplicaSet| set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
        let same = plan::same_template(&template(&existing), &template(wanted));
        Ok(if ours && same { Created::Ours } else { Created::NameTaken })
    }

    fn tell_scaled(&self, deployment: &Deployment, set: &ReplicaSet, Scaled { from, to }: Scaled) {
        let direction = if to > from { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {} from {from} to {to}", set.name_any());
        self.cx.recorder.normal(deployment, "ScalingReplicaSet", message);
    }

    async fn write(
        &self,
        key: &Key,
        deployment: &Deployment,
        revision: Option<String>,
        status: Option<sampan_api::k8s::api::apps::v1::DeploymentStatus>,
    ) -> Result<(), Failure> {
        if revision.is_none() && status.is_none() {
            return Ok(());
        }
        let mut deployment = deployment.clone();
        // The revision goes with the status, as upstream writes it: a write to the Deployment itself would count as a new generation.
        if let Some(revision) = revision {
            deployment.metadata.annotations.get_or_insert_default().insert(REVISION.to_owned(), revision);
        }
        deployment.status = status.or(deployment.status);
        self.cx
            .api::<Deployment>(&key.namespace)
            .replace_status(&key.name, &PostParams::default(), &deployment)
            .await?;
        Ok(())
    }
}

enum Created {
    Ours,
    NameTaken,
}

impl Controller for DeploymentController {
    fn watches(&self) -> Vec<Watch> {
        let deployments = self.deployments.clone();
        let sets = Watch::new(&self.replica_sets, move |change| {
            let mut keys: Vec<Key> =
                change.states().filter_map(|set| controller_key::<Deployment>(&set.metadata)).collect();
            keys.extend(change.new.iter().flat_map(|set| possible_owners(&deployments, set)));
            keys
        });
        // Recreate waits for the last old pod to be gone.
        let sets_of_pods = self.replica_sets.clone();
        let pods = Watch::new(&self.pods, move |change| {
            let ended = change.new.as_ref().is_none_or(|pod| pod::is_terminal(pod));
            let set = controller_key::<ReplicaSet>(&change.object().metadata).filter(|_| ended);
            let set = set.and_then(|set| sets_of_pods.get(&set));
            set.and_then(|set| controller_key::<Deployment>(&set.metadata)).into_iter().collect()
        });
        vec![Watch::each(&self.deployments), sets, pods]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

/// The Deployments that might adopt an orphan.
fn possible_owners(deployments: &Informer<Deployment>, set: &ReplicaSet) -> Vec<Key> {
    if ownership::controller_of(&set.metadata).is_some() {
        return Vec::new();
    }
    let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
    let adopts = |deployment: &Arc<Deployment>| {
        let selector = deployment.spec.as_ref().and_then(|spec| ownership::selector(&spec.selector).ok());
        selector.is_some_and(|selector| sampan_client::informer::matches(&selector, set))
    };
    let candidates = deployments.list_namespace(namespace).into_iter().filter(adopts);
    candidates.map(|deployment| Key::new(namespace, deployment.name_any())).collect()
}

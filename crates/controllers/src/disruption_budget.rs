//! PodDisruptionBudget: how many pods may be evicted now. As upstream's `pkg/controller/disruption`.
//!
//! An eviction spends a budget by writing into its status; this controller says again and again what is left.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use sampan_api::k8s::api::core::v1::{Pod, ReplicationController};
use sampan_api::k8s::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::OwnerReference;
use sampan_client::{Informer, PostParams, ResourceExt, Watched, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::ownership;
use crate::table::Entry;
use plan::{Observed, Plan, Scale};

pub(crate) const ENTRY: Entry = Entry {
    name: "disruption-controller",
    identity: "disruption-controller",
    requires: &[("policy", "poddisruptionbudgets")],
    permissions: &[
        Rule { group: "policy", resources: &["poddisruptionbudgets"], verbs: &["get", "list", "watch"] },
        Rule { group: "policy", resources: &["poddisruptionbudgets/status"], verbs: &["update"] },
        Rule {
            group: "apps",
            resources: &["deployments", "replicasets", "statefulsets"],
            verbs: &["get", "list", "watch"],
        },
        Rule { group: "", resources: &["replicationcontrollers"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["pods"], verbs: &["list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(DisruptionController::new(context)),
};

struct DisruptionController {
    cx: Context,
    budgets: Informer<PodDisruptionBudget>,
    pods: Informer<Pod>,
    replica_sets: Informer<ReplicaSet>,
    deployments: Informer<Deployment>,
    stateful_sets: Informer<StatefulSet>,
    replication_controllers: Informer<ReplicationController>,
}

impl DisruptionController {
    fn new(cx: &Context) -> Self {
        Self {
            cx: cx.clone(),
            budgets: cx.informer(),
            pods: cx.informer(),
            replica_sets: cx.informer(),
            deployments: cx.informer(),
            stateful_sets: cx.informer(),
            replication_controllers: cx.informer(),
        }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(budget) = self.budgets.get(key) else { return Ok(Next::Settled) };
        let Plan { status, requeue, notes, late } = {
            let pods = match plan::selector(&budget)? {
                Some(selector) => self.pods.list_matching(&key.namespace, &selector),
                None => Vec::new(),
            };
            let scale = |owner: &OwnerReference| self.scale(&key.namespace, owner);
            plan::plan(&Observed { budget: &budget, pods: &pods, scale: &scale, now: self.cx.now() })
        };
        for (reason, message) in notes {
            self.cx.recorder.normal(&*budget, reason, message);
        }
        for pod in late {
            let message = format!("Pod was expected by PDB {}/{} to be deleted but it wasn't", key.namespace, key.name);
            self.cx.recorder.warning(&*pod, "NotDeleted", message);
        }
        self.write(key, &budget, status).await?;
        Ok(Next::from(requeue))
    }

    /// How many pods their controller wants, and who that is: of a Deployment's ReplicaSet the Deployment.
    fn scale(&self, namespace: &str, owner: &OwnerReference) -> Option<Scale> {
        let core = !owner.api_version.contains('/');
        let apps = owner.api_version.starts_with("apps/");
        match owner.kind.as_str() {
            "ReplicaSet" if apps => {
                let set = find(&self.replica_sets, namespace, owner)?;
                match ownership::controller_of(&set.metadata) {
                    Some(owner) if owner.kind == "Deployment" => self.scale(namespace, owner),
                    _ => Some(Scale::new(owner, set.spec.as_ref()?.replicas)),
                }
            }
            "Deployment" if apps => {
                Some(Scale::new(owner, find(&self.deployments, namespace, owner)?.spec.as_ref()?.replicas))
            }
            "StatefulSet" if apps => {
                Some(Scale::new(owner, find(&self.stateful_sets, namespace, owner)?.spec.as_ref()?.replicas))
            }
            "ReplicationController" if core => {
                let controller = find(&self.replication_controllers, namespace, owner)?;
                Some(Scale::new(owner, controller.spec.as_ref()?.replicas))
            }
            _ => None,
        }
    }

    /// An eviction may have been quicker; then the conflict brings the key back.
    async fn write(
        &self,
        key: &Key,
        budget: &PodDisruptionBudget,
        status: Option<PodDisruptionBudgetStatus>,
    ) -> Result<(), Failure> {
        let Some(status) = status else { return Ok(()) };
        let changed = PodDisruptionBudget { status: Some(status), ..budget.clone() };
        let api = self.cx.api::<PodDisruptionBudget>(&key.namespace);
        match api.replace_status(&key.name, &PostParams::default(), &changed).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(()),
        }
    }
}

fn find<K: Watched>(informer: &Informer<K>, namespace: &str, owner: &OwnerReference) -> Option<Arc<K>> {
    let found = informer.get(&Key::new(namespace, &owner.name))?;
    (found.meta().uid.as_ref() == Some(&owner.uid)).then_some(found)
}

impl Controller for DisruptionController {
    fn watches(&self) -> Vec<Watch> {
        let budgets = self.budgets.clone();
        let pods = Watch::new(&self.pods, move |change| {
            let namespace = change.object().metadata.namespace.clone().unwrap_or_default();
            let selects = |budget: &Arc<PodDisruptionBudget>| {
                let selector = plan::selector(budget).ok().flatten();
                selector.is_some_and(|selector| {
                    change.states().any(|pod| sampan_client::informer::matches(&selector, &**pod))
                })
            };
            let concerned = budgets.list_namespace(&namespace).into_iter().filter(selects);
            concerned.map(|budget| Key::new(namespace.clone(), budget.name_any())).collect()
        });
        vec![Watch::each(&self.budgets), pods]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

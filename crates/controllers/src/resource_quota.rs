//! Says in each quota's status what its namespace uses: at first, when the quota changes, and when something goes or ends. As upstream's
//! `pkg/controller/resourcequota`; what comes is charged by admission before it is there.

mod counters;
mod plan;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use sampan_api::amounts::{self, Amounts, amounts_at};
use sampan_api::k8s::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, Service};
use sampan_api::k8s::apimachinery::pkg::api::resource::Quantity as WireQuantity;
use sampan_api::{pod, quota};
use sampan_client::{Api, Change, Informer, PostParams, ResourceExt, Watched, WorkQueue, error};
use sampan_meta::{GroupResource, Quantity};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;
use counters::Counters;
use plan::{Mark, Plan, Quota, SETTLES};

pub(crate) const ENTRY: Entry = Entry {
    name: "resourcequota-controller",
    identity: "resourcequota-controller",
    requires: &[("", "resourcequotas")],
    permissions: &[
        Rule { group: "*", resources: &["*"], verbs: &["list", "watch"] },
        Rule { group: "", resources: &["resourcequotas/status"], verbs: &["update"] },
    ],
    make: |context| Arc::new(Quotas::new(context.clone())),
};

struct Quotas {
    cx: Context,
    quotas: Informer<ResourceQuota>,
    pods: Informer<Pod>,
    services: Informer<Service>,
    claims: Informer<PersistentVolumeClaim>,
    others: Counters,
    marks: Mutex<HashMap<Key, Mark>>,
}

/// What was counted, and when a pod that is ending stops to count by itself.
#[derive(Default)]
struct Count {
    used: Amounts,
    again: Option<Duration>,
}

impl Quotas {
    fn new(cx: Context) -> Self {
        let (quotas, pods, services, claims) = (cx.informer(), cx.informer(), cx.informer(), cx.informer());
        Self { quotas, pods, services, claims, others: Counters::new(cx.clone()), marks: Mutex::default(), cx }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(quota) = self.quotas.get(key) else {
            self.marks.lock().remove(key);
            return Ok(Next::Settled);
        };
        let value = json(&*quota);
        let hard = amounts_at(&value, "/spec/hard");
        let counted = self.count(&value, &hard, &key.namespace).await?;
        let said =
            Quota { status_hard: amounts_at(&value, "/status/hard"), used: amounts_at(&value, "/status/used"), hard };
        let mark = self.marks.lock().get(key).cloned();
        let Plan { write, mark } = plan::plan(&said, &counted.used, mark.as_ref(), Instant::now());
        if let Some(used) = write {
            self.write(key, &quota, &used).await?;
        }
        let next = Next::Settled.or_after(counted.again).or_after(mark.as_ref().map(|_| SETTLES));
        match mark {
            Some(mark) => drop(self.marks.lock().insert(key.clone(), mark)),
            None => drop(self.marks.lock().remove(key)),
        }
        Ok(next)
    }

    /// With the version that was looked at: a charge made meanwhile must not be forgotten.
    async fn write(&self, key: &Key, quota: &ResourceQuota, used: &Amounts) -> Result<(), Failure> {
        let mut changed = quota.clone();
        let status = changed.status.get_or_insert_default();
        status.hard = quota.spec.as_ref().and_then(|spec| spec.hard.clone());
        let wire = |(name, amount): (&String, &Quantity)| (name.clone(), WireQuantity(amount.to_string()));
        status.used = Some(used.iter().map(wire).collect());
        let api: Api<ResourceQuota> = self.cx.api(&key.namespace);
        match api.replace_status(&key.name, &PostParams::default(), &changed).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(()),
        }
    }

    async fn count(&self, quota: &Value, hard: &Amounts, namespace: &str) -> Result<Count, Failure> {
        let mut count = Count { used: hard.keys().map(|name| (name.clone(), Quantity::ZERO)).collect(), again: None };
        let kinds: BTreeSet<GroupResource> = hard.keys().map(|name| quota::counted(name)).collect();
        for kind in kinds {
            match (kind.group.as_str(), kind.resource.as_str()) {
                ("", "pods") => count.add_pods(quota, self.pods.list_namespace(namespace), self.cx.clock.now()),
                ("", "services") => count.add(quota, &kind, self.services.list_namespace(namespace)),
                ("", "persistentvolumeclaims") => count.add(quota, &kind, self.claims.list_namespace(namespace)),
                _ if quota::is_in_scope(quota, &kind, &Value::Null) => {
                    let one = quota::usage(&kind, &Value::Null);
                    (0..self.others.count(&kind, namespace).await?).for_each(|_| count.charge(&one));
                }
                _ => {}
            }
        }
        Ok(count)
    }
}

impl Count {
    fn charge(&mut self, usage: &Amounts) {
        let counted = usage.iter().filter(|(name, _)| self.used.contains_key(*name));
        let counted: Amounts = counted.map(|(name, amount)| (name.clone(), *amount)).collect();
        amounts::add(&mut self.used, &counted);
    }

    fn add<K: Serialize>(&mut self, quota: &Value, kind: &GroupResource, objects: Vec<Arc<K>>) {
        for object in objects.iter().map(|object| json(&**object)) {
            if quota::is_in_scope(quota, kind, &object) {
                self.charge(&quota::usage(kind, &object));
            }
        }
    }

    /// A pod that has ended is an object still, and uses nothing else.
    fn add_pods(&mut self, quota: &Value, pods: Vec<Arc<Pod>>, now: Timestamp) {
        let kind = GroupResource::new("", "pods");
        for pod in pods {
            let value = json(&*pod);
            if !quota::is_in_scope(quota, &kind, &value) {
                continue;
            }
            let mut usage = quota::usage(&kind, &value);
            if !quota::counts(&value, now) {
                usage.retain(|name, _| *name == quota::counter(&kind));
            } else if let Some(since) = &pod.metadata.deletion_timestamp {
                // A second later than its time: only then is that over.
                let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(0).saturating_add(1);
                let left = crate::time::until(since, grace, now).unwrap_or_default();
                self.again = Some(self.again.map_or(left, |again| again.min(left)));
            }
            self.charge(&usage);
        }
    }
}

fn json(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("objects of the API are JSON")
}

/// The quotas of a namespace.
fn keys_in(quotas: &Informer<ResourceQuota>, namespace: &str) -> Vec<Key> {
    quotas.list_namespace(namespace).iter().map(|quota| Key::new(namespace, quota.name_any())).collect()
}

/// Whether a pod's change may give something back.
fn gives_back(change: &Change<Pod>) -> bool {
    match (&change.old, &change.new) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(old), Some(new)) => {
            let state = |pod: &Pod| (pod::is_terminal(pod), pod::is_terminating(pod));
            state(old) != state(new) || old.spec != new.spec
        }
    }
}

impl Quotas {
    fn watch<K: Watched>(
        &self,
        informer: &Informer<K>,
        matters: impl Fn(&Change<K>) -> bool + Send + Sync + 'static,
    ) -> Watch {
        let quotas = self.quotas.clone();
        Watch::new(informer, move |change| {
            let namespace = change.object().meta().namespace.clone().unwrap_or_default();
            if matters(change) { keys_in(&quotas, &namespace) } else { Vec::new() }
        })
    }
}

impl Controller for Quotas {
    fn watches(&self) -> Vec<Watch> {
        let (pods, services) =
            (self.watch(&self.pods, gives_back), self.watch(&self.services, |change| change.old.is_some()));
        vec![Watch::each(&self.quotas), pods, services, self.watch(&self.claims, |change| change.old.is_some())]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }

    fn background(&self, queue: &WorkQueue<Key>) -> Option<BoxFuture<'static, ()>> {
        let (quotas, queue) = (self.quotas.clone(), queue.clone());
        let tell = move |namespace: &str| keys_in(&quotas, namespace).into_iter().for_each(|key| queue.add(key));
        Some(self.others.losses(tell)?.boxed())
    }
}

//! Removes pods nobody else will: those of nodes that are gone, those deleted before they had a node, and the oldest of very many
//! that have ended. As upstream's `pkg/controller/podgc`, driven by changes in place of its circle of 20 seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::{Node, Pod};
use sampan_api::pod;
use sampan_client::{Api, DeleteParams, Informer, Patch, PatchParams, Preconditions, ResourceExt, error};
use serde_json::json;
use tokio::time::Instant;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::disruption::target;
use crate::node_lifecycle::{BY_NODE, add_node_index};
use crate::table::Entry;
use crate::time::or_min;

pub(crate) const ENTRY: Entry = Entry {
    name: "pod-garbage-collector",
    identity: "pod-garbage-collector",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["pods"], verbs: &["list", "watch", "delete"] },
        Rule { group: "", resources: &["nodes"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["pods/status"], verbs: &["patch"] },
    ],
    make: |context| Arc::new(PodCollector::new(context.clone())),
};

/// How long a node must be absent before its pods are removed: it may be registering again.
const QUARANTINE: Duration = Duration::from_secs(40);
/// The index of ended pods, under the one key [`ENDED`].
const ENDED: &str = "ended";

struct PodCollector {
    cx: Context,
    nodes: Informer<Node>,
    pods: Informer<Pod>,
    absent: Mutex<HashMap<String, Instant>>,
}

/// What is to happen to a pod. `node_is_absent`: the cache shows no such node.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Keep,
    /// Look for the node, then remove.
    Orphaned(String),
    /// Deleted before it was bound: no kubelet will ever end it.
    Unscheduled,
}

fn plan(pod: &Pod, node_is_absent: bool) -> Plan {
    match pod::node_name(pod) {
        Some(node) if node_is_absent => Plan::Orphaned(node.to_owned()),
        None if pod::is_terminating(pod) => Plan::Unscheduled,
        _ => Plan::Keep,
    }
}

/// The oldest beyond the number that may stay.
fn surplus(mut ended: Vec<Arc<Pod>>, keep: usize) -> Vec<Arc<Pod>> {
    let count = ended.len().saturating_sub(keep);
    ended.sort_by_key(|pod| (or_min(pod.metadata.creation_timestamp.as_ref()), pod.metadata.name.clone()));
    ended.truncate(count);
    ended
}

impl PodCollector {
    fn new(cx: Context) -> Self {
        let (nodes, pods) = (cx.informer(), cx.informer());
        add_node_index(&pods);
        pods.add_index(ENDED, |pod| pod::is_terminal(pod).then(|| ENDED.to_owned()).into_iter().collect());
        Self { cx, nodes, pods, absent: Mutex::default() }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        if key == &ended_key() {
            return self.trim().await;
        }
        let Some(pod) = self.pods.get(key) else { return Ok(Next::Settled) };
        let absent = pod::node_name(&pod).is_some_and(|node| self.nodes.get(&Key::new("", node)).is_none());
        match plan(&pod, absent) {
            Plan::Keep => Ok(Next::Settled),
            Plan::Unscheduled => self.remove(&pod, None).await,
            Plan::Orphaned(node) => {
                if let Some(left) = self.quarantine(&node) {
                    return Ok(Next::After(left));
                }
                if self.cx.cluster::<Node>().get_opt(&node).await?.is_some() {
                    return Ok(Next::Settled);
                }
                self.remove(&pod, Some("PodGC: node no longer exists")).await
            }
        }
    }

    /// What is left of the time a node may be away.
    fn quarantine(&self, node: &str) -> Option<Duration> {
        let mut absent = self.absent.lock();
        absent.retain(|name, _| self.nodes.get(&Key::new("", name)).is_none());
        let since = absent.entry(node.to_owned()).or_insert_with(Instant::now);
        QUARANTINE.checked_sub(since.elapsed()).filter(|left| !left.is_zero())
    }

    async fn trim(&self) -> Result<Next, Failure> {
        let ended = self.pods.by_index(ENDED, ENDED);
        for pod in surplus(ended, self.cx.settings.terminated_pods) {
            self.remove(&pod, None).await?;
        }
        Ok(Next::Settled)
    }

    /// Removes the pod at once; before, one that has not ended is said to have failed, and why.
    async fn remove(&self, pod: &Pod, why: Option<&str>) -> Result<Next, Failure> {
        let api: Api<Pod> = self.cx.api(pod.metadata.namespace.as_deref().unwrap_or_default());
        let name = pod.name_any();
        if let Some(why) = why.filter(|_| !pod::is_terminal(pod)) {
            let condition = target("DeletionByPodGC", why, self.cx.now());
            let status = json!({ "phase": "Failed", "conditions": [condition] });
            let patch = Patch::Strategic(json!({ "metadata": { "uid": pod.metadata.uid }, "status": status }));
            match api.patch_status(&name, &PatchParams::default(), &patch).await {
                Err(failure) if !error::is_not_found(&failure) => return Err(failure.into()),
                _ => {}
            }
        }
        let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
        let parameters = DeleteParams { grace_period_seconds: Some(0), preconditions, ..DeleteParams::default() };
        match api.delete(&name, &parameters).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(Next::Settled),
        }
    }
}

/// Stands for all ended pods.
fn ended_key() -> Key {
    Key::new("", ENDED)
}

impl Controller for PodCollector {
    fn watches(&self) -> Vec<Watch> {
        let by_pod = Watch::new(&self.pods, |change| {
            let Some(pod) = &change.new else { return Vec::new() };
            let own = Key::new(pod.metadata.namespace.clone().unwrap_or_default(), pod.name_any());
            let has_ended = pod::is_terminal(pod) && !change.old.as_ref().is_some_and(|old| pod::is_terminal(old));
            if has_ended { vec![own, ended_key()] } else { vec![own] }
        });
        let pods = self.pods.clone();
        let by_node = Watch::new(&self.nodes, move |change| {
            let lost =
                if change.new.is_none() { pods.by_index(BY_NODE, &change.object().name_any()) } else { Vec::new() };
            let key = |pod: &Arc<Pod>| Key::new(pod.metadata.namespace.clone().unwrap_or_default(), pod.name_any());
            lost.iter().map(key).collect()
        });
        vec![by_pod, by_node]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ago, object};

    #[test]
    fn only_pods_that_nobody_else_ends_are_removed() {
        let pod = |node: Option<&str>, deleted: bool| -> Pod {
            let deletion = deleted.then(|| ago(1));
            object(
                json!({ "metadata": { "deletionTimestamp": deletion }, "spec": { "containers": [], "nodeName": node } }),
            )
        };
        assert_eq!(plan(&pod(Some("edge-1"), false), false), Plan::Keep);
        assert_eq!(plan(&pod(Some("edge-1"), true), false), Plan::Keep);
        assert_eq!(plan(&pod(Some("edge-1"), false), true), Plan::Orphaned("edge-1".to_owned()));
        assert_eq!(plan(&pod(None, true), false), Plan::Unscheduled);
        assert_eq!(plan(&pod(None, false), false), Plan::Keep);
    }

    #[test]
    fn of_too_many_ended_pods_the_oldest_go() {
        let pod = |name: &str, age: i64| {
            Arc::new(object(json!({ "metadata": { "name": name, "creationTimestamp": ago(age) } })))
        };
        let gone = surplus(vec![pod("young", 1), pod("oldest", 300), pod("old", 200)], 1);
        assert_eq!(gone.iter().map(|pod: &Arc<Pod>| pod.name_any()).collect::<Vec<_>>(), ["oldest", "old"]);
        assert!(surplus(vec![pod("young", 1)], 5).is_empty());
    }
}

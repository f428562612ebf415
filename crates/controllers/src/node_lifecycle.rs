//! Notices nodes that fell silent, and says so by conditions and taints. As upstream's `pkg/controller/nodelifecycle`.
//!
//! A node is alive while its Lease or its status changes; when it last did is measured by this process' own clock, so that clocks of
//! different machines are never compared. Each node has its own timer; nothing looks at all nodes in a circle.

mod plan;

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use sampan_api::k8s::api::coordination::v1::Lease;
use sampan_api::k8s::api::core::v1::{Node, Pod};
use sampan_api::pod;
use sampan_client::{Api, Informer, Patch, PatchParams, PostParams, ResourceExt, error};
use serde_json::json;
use tokio::time::Instant;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;
use plan::{Observed, Plan};

pub(crate) const ENTRY: Entry = Entry {
    name: "node-controller",
    identity: "node-controller",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["nodes"], verbs: &["get", "list", "watch", "update", "patch", "delete"] },
        Rule { group: "", resources: &["nodes/status", "pods/status"], verbs: &["update", "patch"] },
        Rule { group: "", resources: &["pods"], verbs: &["get", "list", "watch", "delete"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(NodeLifecycleController::new(context.clone())),
};

/// The namespace of the nodes' leases.
const LEASES: &str = "kube-node-lease";
/// The index of pods by the node they are bound to.
pub(crate) const BY_NODE: &str = "node";

struct NodeLifecycleController {
    cx: Context,
    nodes: Informer<Node>,
    leases: Informer<Lease>,
    pods: Informer<Pod>,
    signs: Mutex<HashMap<String, Sign>>,
}

/// The last sign of life of a node, and when it was first seen.
#[derive(Clone, PartialEq)]
struct Sign {
    renewed: Option<Timestamp>,
    heartbeat: Option<Timestamp>,
    seen: Instant,
}

impl NodeLifecycleController {
    fn new(cx: Context) -> Self {
        let pods = cx.informer::<Pod>();
        add_node_index(&pods);
        let api = Api::<Lease>::namespaced(cx.informers.client().clone(), LEASES);
        let leases = Informer::builder(api).start(cx.entropy.clone());
        Self { nodes: cx.informer(), leases, pods, cx, signs: Mutex::default() }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(node) = self.nodes.get(key) else {
            self.signs.lock().remove(&key.name);
            return Ok(Next::Settled);
        };
        let silent = self.silence(key, &node);
        let grace = self.cx.settings.node_monitor_grace;
        let all_unready = self.nodes.list().iter().all(|node| !plan::is_ready(node));
        let observed = Observed { node: &node, silent: silent > grace, all_unready, now: self.cx.now() };
        let Plan { conditions, taints, unready_pods } = plan::plan(&observed);
        let wrote_conditions = conditions.is_some();
        if let Some(conditions) = conditions {
            let patch = Patch::Strategic(json!({ "status": { "conditions": conditions } }));
            self.cx.cluster::<Node>().patch_status(&key.name, &PatchParams::default(), &patch).await?;
            self.cx.recorder.normal(&*node, "NodeNotReady", format!("Node {} status is now: NodeNotReady", key.name));
        }
        if unready_pods {
            self.mark_pods(&key.name).await?;
        }
        // The conditions' own write brings the node back, and the taints are made of what it has then.
        if let Some(taints) = taints.filter(|_| !wrote_conditions) {
            let mut node = (*node).clone();
            node.spec.get_or_insert_default().taints = taints;
            self.cx.cluster::<Node>().replace(&key.name, &PostParams::default(), &node).await?;
        }
        Ok(if silent > grace { Next::Settled } else { Next::After(grace - silent + std::time::Duration::from_secs(1)) })
    }

    /// For how long the node has given no sign of life.
    fn silence(&self, key: &Key, node: &Node) -> std::time::Duration {
        let lease = self.leases.get(&Key::new(LEASES, &key.name));
        let renewed = lease.and_then(|lease| Some(lease.spec.as_ref()?.renew_time.as_ref()?.0));
        let heartbeat = plan::heartbeat(node);
        let mut signs = self.signs.lock();
        let now = Instant::now();
        let sign = signs.entry(key.name.clone()).or_insert(Sign { renewed, heartbeat, seen: now });
        if (sign.renewed, sign.heartbeat) != (renewed, heartbeat) {
            *sign = Sign { renewed, heartbeat, seen: now };
        }
        now.duration_since(sign.seen)
    }

    /// Nobody can say that pods on a silent node are ready; their endpoints must go.
    async fn mark_pods(&self, node: &str) -> Result<(), Failure> {
        let ready = self.pods.by_index(BY_NODE, node).into_iter().filter(|pod| pod::is_ready(pod));
        for pod in ready {
            let api: Api<Pod> = self.cx.api(pod.metadata.namespace.as_deref().unwrap_or_default());
            let condition = plan::unready(self.cx.now());
            let patch = Patch::Strategic(
                json!({ "metadata": { "uid": pod.metadata.uid }, "status": { "conditions": [condition] } }),
            );
            match api.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await {
                Err(failure) if !error::is_not_found(&failure) && !error::is_conflict(&failure) => {
                    return Err(failure.into());
                }
                _ => self.cx.recorder.warning(&*pod, "NodeNotReady", "Node is not ready"),
            }
        }
        Ok(())
    }
}

pub(crate) fn add_node_index(pods: &Informer<Pod>) {
    pods.add_index(BY_NODE, |pod| pod::node_name(pod).map(str::to_owned).into_iter().collect());
}

impl Controller for NodeLifecycleController {
    fn watches(&self) -> Vec<Watch> {
        let nodes = self.nodes.clone();
        let by_node = Watch::new(&self.nodes, move |change| {
            let own = Key::new("", change.object().name_any());
            let was_ready = change.old.as_ref().is_some_and(|node| plan::is_ready(node));
            let ready = change.new.as_ref().is_some_and(|node| plan::is_ready(node));
            let all = nodes.list();
            // The first node to be ready again, or the last one to go, changes what is done about the others.
            if was_ready != ready && all.iter().filter(|node| plan::is_ready(node)).count() <= 1 {
                return all.iter().map(|node| Key::new("", node.name_any())).chain([own]).collect();
            }
            vec![own]
        });
        let by_lease = Watch::new(&self.leases, |change| vec![Key::new("", change.object().name_any())]);
        vec![by_node, by_lease, Watch::new(&self.pods, |_| Vec::new())]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

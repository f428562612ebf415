//! Deletes pods that do not tolerate their node's NoExecute taints. As upstream's `pkg/controller/tainteviction`.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{Node, Pod};
use sampan_api::pod;
use sampan_client::{Api, DeleteParams, Informer, Patch, PatchParams, Preconditions, ResourceExt, error};
use serde_json::json;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::disruption::target;
use crate::node_lifecycle::{BY_NODE, add_node_index};
use crate::table::Entry;
use plan::Plan;

pub(crate) const ENTRY: Entry = Entry {
    name: "taint-eviction-controller",
    identity: "node-controller",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["pods"], verbs: &["get", "list", "watch", "delete"] },
        Rule { group: "", resources: &["pods/status"], verbs: &["patch"] },
        Rule { group: "", resources: &["nodes"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(TaintEvictionController::new(context.clone())),
};

struct TaintEvictionController {
    cx: Context,
    nodes: Informer<Node>,
    pods: Informer<Pod>,
}

impl TaintEvictionController {
    fn new(cx: Context) -> Self {
        let (nodes, pods) = (cx.informer(), cx.informer());
        add_node_index(&pods);
        Self { cx, nodes, pods }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(pod) = self.pods.get(key).filter(|pod| pod::is_active(pod)) else { return Ok(Next::Settled) };
        let node = pod::node_name(&pod).and_then(|name| self.nodes.get(&Key::new("", name)));
        let taints = node.and_then(|node| node.spec.as_ref()?.taints.clone()).unwrap_or_default();
        match plan::plan(&pod, &taints, self.cx.now()) {
            Plan::Keep => Ok(Next::Settled),
            Plan::Wait(delay) => Ok(Next::After(delay)),
            Plan::Evict => self.evict(key, &pod).await,
        }
    }

    async fn evict(&self, key: &Key, pod: &Pod) -> Result<Next, Failure> {
        let api: Api<Pod> = self.cx.api(&key.namespace);
        self.cx.recorder.normal(pod, "TaintManagerEviction", format!("Marking for deletion Pod {key}"));
        let condition =
            target("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", self.cx.now());
        let patch = Patch::Strategic(
            json!({ "metadata": { "uid": pod.metadata.uid }, "status": { "conditions": [condition] } }),
        );
        let marked = api.patch_status(&key.name, &PatchParams::default(), &patch).await.map(drop);
        let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
        let deleted = match marked {
            Ok(()) => api.delete(&key.name, &DeleteParams { preconditions, ..DeleteParams::default() }).await.map(drop),
            Err(failure) => Err(failure),
        };
        match deleted {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(Next::Settled),
        }
    }
}

/// The taints that matter here.
fn no_execute(node: Option<&Arc<Node>>) -> Vec<(String, Option<String>)> {
    let taints = node.into_iter().flat_map(|node| node.spec.iter()).flat_map(|spec| spec.taints.iter().flatten());
    taints.filter(|taint| taint.effect == "NoExecute").map(|taint| (taint.key.clone(), taint.value.clone())).collect()
}

impl Controller for TaintEvictionController {
    fn watches(&self) -> Vec<Watch> {
        let pods = self.pods.clone();
        let by_node = Watch::new(&self.nodes, move |change| {
            if no_execute(change.old.as_ref()) == no_execute(change.new.as_ref()) {
                return Vec::new();
            }
            let on_node = pods.by_index(BY_NODE, &change.object().name_any());
            on_node.iter().map(|pod| sampan_client::informer::name_of::<Pod>((**pod).clone())).collect()
        });
        let by_pod = Watch::new(&self.pods, |change| {
            let moved = change.old.as_ref().map(|pod| pod::node_name(pod))
                != change.new.as_ref().map(|pod| pod::node_name(pod));
            let tolerations = |pod: &Arc<Pod>| pod.spec.as_ref().and_then(|spec| spec.tolerations.clone());
            let changed = change.old.as_ref().map(tolerations) != change.new.as_ref().map(tolerations);
            let meta = &change.object().metadata;
            let key = Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
            if moved || changed { vec![key] } else { Vec::new() }
        });
        vec![by_node, by_pod]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

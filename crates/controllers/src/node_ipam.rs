//! Gives every node networks for its pods out of the cluster's: `spec.podCIDRs`. As upstream's `pkg/controller/nodeipam` with its
//! `RangeAllocator`. Without [`Settings::node_networks`](crate::Settings) it does nothing.
//!
//! What a node has is read from the nodes; kept here is only what was just given and may not have been seen yet.

mod blocks;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::Node;
use sampan_client::{Informer, Patch, PatchParams, error};
use serde_json::json;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;
use blocks::Given;
pub use blocks::{Network, NodeNetworks, NodeNetworksError};

pub(crate) const ENTRY: Entry = Entry {
    name: "cidrAllocator",
    identity: "node-controller",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["nodes"], verbs: &["get", "list", "watch", "patch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(NodeIpam { nodes: context.informer(), given: Mutex::default(), cx: context.clone() }),
};

struct NodeIpam {
    cx: Context,
    nodes: Informer<Node>,
    given: Mutex<Given>,
}

/// The networks a node has.
fn pod_cidrs(node: &Node) -> &[String] {
    node.spec.as_ref().and_then(|spec| spec.pod_cidrs.as_deref()).unwrap_or_default()
}

impl NodeIpam {
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(ranges) = &self.cx.settings.node_networks else { return Ok(Next::Settled) };
        let Some(node) = self.nodes.get(key) else {
            self.given.lock().forget(&key.name);
            return Ok(Next::Settled);
        };
        if !pod_cidrs(&node).is_empty() {
            self.given.lock().forget(&key.name);
            return Ok(Next::Settled);
        }
        let nodes = self.nodes.list();
        let taken: BTreeMap<&str, &[String]> =
            nodes.iter().map(|node| (node.metadata.name.as_deref().unwrap_or_default(), pod_cidrs(node))).collect();
        let Some(networks) = self.given.lock().give(ranges, &key.name, &taken) else {
            let message = format!("Node {} status is now: CIDRNotAvailable", key.name);
            self.cx.recorder.normal(&*node, "CIDRNotAvailable", message);
            // Another node that goes brings this one back.
            return Ok(Next::Settled);
        };
        self.write(key, &node, &networks).await
    }

    async fn write(&self, key: &Key, node: &Node, networks: &[Network]) -> Result<Next, Failure> {
        let networks: Vec<String> = networks.iter().map(Network::to_string).collect();
        let spec = json!({ "podCIDR": networks.first(), "podCIDRs": networks });
        let patch = Patch::Merge(json!({ "metadata": { "uid": node.metadata.uid }, "spec": spec }));
        match self.cx.cluster::<Node>().patch(&key.name, &PatchParams::default(), &patch).await {
            // It has gone, or another has come in its name, which brings the key back.
            Err(failure) if error::is_not_found(&failure) || error::is_conflict(&failure) => Ok(Next::Settled),
            Err(failure) => {
                // What was given stays given: the write may have got through.
                let message = format!("Node {} status is now: CIDRAssignmentFailed", key.name);
                self.cx.recorder.normal(node, "CIDRAssignmentFailed", message);
                Err(failure.into())
            }
            Ok(_) => Ok(Next::Settled),
        }
    }
}

impl Controller for NodeIpam {
    fn watches(&self) -> Vec<Watch> {
        let nodes = self.nodes.clone();
        let watch = Watch::new(&self.nodes, move |change| {
            let own = sampan_client::informer::name_of::<Node>((**change.object()).clone());
            if change.new.is_some() {
                return vec![own];
            }
            // Its networks are free: whoever waits for some may have them.
            let waiting = nodes.list().into_iter().filter(|node| pod_cidrs(node).is_empty());
            waiting.map(|node| sampan_client::informer::name_of::<Node>((*node).clone())).chain([own]).collect()
        });
        vec![watch]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }

    /// Two at once would be given what neither has written yet; a patch of a node takes no time.
    fn workers(&self) -> usize {
        1
    }
}

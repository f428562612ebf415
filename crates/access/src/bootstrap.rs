//! What every cluster starts with: its namespaces, priority classes, storage class, roles and bindings, and how they are kept up to date.
//!
//! The policy is upstream's (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`) plus a few lines of our own, each a text that
//! people can read: `policy.txt`, `own.txt`.

mod aggregation;
mod policy;
mod reconcile;

#[cfg(test)]
mod tests;

use sampan_api::{local_path, volume};
use serde_json::{Value, json};

use crate::authz::Rule;

pub use aggregation::{aggregate, aggregated};
pub use reconcile::{Reconciled, reconcile};

/// The namespaces of every cluster; nobody may delete the first three.
pub const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Everything, in an order in which it can be created: namespaces, priority classes, the storage class, roles, bindings. Aggregated roles have
/// their rules.
///
/// Write each as [`reconcile`] says, as a member of `system:masters`, at every start of the server.
pub fn objects() -> Vec<Value> {
    let mut objects: Vec<Value> = NAMESPACES.iter().map(|name| namespace(name)).collect();
    objects.extend(priority_classes());
    objects.push(storage_class());
    objects.extend(policy());
    objects
}

/// The roles and bindings alone.
pub fn policy() -> Vec<Value> {
    let mut objects = policy::parse(include_str!("bootstrap/policy.txt"));
    objects.extend(policy::parse(include_str!("bootstrap/own.txt")));
    objects.sort_by_key(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Binding")));
    for role in aggregated(&objects) {
        let same = |object: &&mut Value| {
            object["kind"] == role["kind"] && object["metadata"]["name"] == role["metadata"]["name"]
        };
        if let Some(place) = objects.iter_mut().find(same) {
            *place = role;
        }
    }
    objects
}

/// The role `sampan:controller:NAME` with these rules and its binding to the service account `kube-system/NAME`: what a
/// controller needs beyond upstream's role for it. Reconcile it with [`policy`].
pub fn controller(name: &str, rules: &[Rule]) -> [Value; 2] {
    let full_name = format!("sampan:controller:{name}");
    let text = format!("cluster-role {full_name}\nbind {full_name} to {full_name}: account=kube-system/{name}");
    let [mut role, binding]: [Value; 2] = policy::parse(&text).try_into().expect("the text is a role and a binding");
    role["rules"] = json!(rules);
    [role, binding]
}

/// What every node may do alike, for the node rules of [`crate::authz`].
pub(crate) fn node_rules() -> Vec<Rule> {
    let of_nodes = |object: &&Value| object["kind"] == "ClusterRole" && object["metadata"]["name"] == "system:node";
    policy().iter().find(of_nodes).map(Rule::of_role).unwrap_or_default()
}

fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// Claims get directories on the disk of their pod's node unless they ask for something else.
fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": { "name": local_path::CLASS, "annotations": { volume::DEFAULT_CLASS: "true" } },
        "provisioner": local_path::PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": true,
    })
}

/// The two classes upstream creates (`pkg/apis/scheduling/v1/helpers.go`).
fn priority_classes() -> [Value; 2] {
    let class = |name: &str, value: i64, who: &str| {
        json!({
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": { "name": name },
            "value": value,
            "preemptionPolicy": "PreemptLowerPriority",
            "description": format!("Used for system critical pods that must {who}"),
        })
    };
    [
        class("system-node-critical", 2_000_001_000, "not be moved from their current node."),
        class(
            "system-cluster-critical",
            2_000_000_000,
            "run in the cluster, but can be moved to another node if necessary.",
        ),
    ]
}

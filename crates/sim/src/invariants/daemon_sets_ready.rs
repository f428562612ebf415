//! A DaemonSet has one ready pod of its newest template on each node, no other, and says so. All nodes take pods by then.

use std::collections::BTreeSet;

use sampan_meta::object::{controller_of, generation, i64_at, list_at, name, str_at, uid};
use serde_json::Value;

use crate::invariants::Informed;
use crate::world::World;

pub(super) fn check(world: &World, _informed: &[Informed]) -> Result<(), String> {
    world.list("apps/daemonsets").try_for_each(|set| one(world, set))
}

fn one(world: &World, set: &Value) -> Result<(), String> {
    let owned = |pod: &&Value| controller_of(pod).is_some_and(|owner| owner.uid == uid(set));
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    let image = "/spec/containers/0/image";
    let newest = set.pointer("/spec/template").and_then(|template| str_at(template, image));
    let is_fine = |pod: &&Value| str_at(pod, image) == newest && list_at(pod, "/status/conditions").iter().any(ready);
    let pods: Vec<&Value> = world.list("pods").filter(owned).collect();
    let fine: BTreeSet<&str> =
        pods.iter().copied().filter(is_fine).filter_map(|pod| str_at(pod, "/spec/nodeName")).collect();
    let nodes: BTreeSet<&str> = world.list("nodes").map(name).collect();
    let counts = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "updatedNumberScheduled",
        "numberReady",
        "numberAvailable",
    ];
    let count = i64::try_from(nodes.len()).unwrap_or(i64::MAX);
    let said = counts.iter().all(|field| i64_at(set, &format!("/status/{field}")).unwrap_or(0) == count);
    let seen = i64_at(set, "/status/observedGeneration") == Some(generation(set));
    if fine == nodes && pods.len() == nodes.len() && said && seen {
        return Ok(());
    }
    Err(format!("daemonset {} is ready on {fine:?} with {} pods and says {}", name(set), pods.len(), set["status"]))
}

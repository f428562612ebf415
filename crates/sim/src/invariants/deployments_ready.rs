//! A Deployment has as many ready pods as it wants, all of its newest template, and says so.

use sampan_meta::object::{controller_of, deletion_timestamp, generation, i64_at, list_at, uid};
use serde_json::Value;

use crate::invariants::Informed;
use crate::world::World;

pub(super) fn check(world: &World, _informed: &[Informed]) -> Result<(), String> {
    world.entries("apps/deployments").try_for_each(|(place, entry)| one(world, &place.2, &entry.object))
}

fn one(world: &World, name: &str, deployment: &Value) -> Result<(), String> {
    let wanted = i64_at(deployment, "/spec/replicas").unwrap_or(1);
    let count = |pointer| i64_at(deployment, pointer).unwrap_or(0);
    let seen = i64_at(deployment, "/status/observedGeneration") == Some(generation(deployment));
    let said = ["/status/replicas", "/status/updatedReplicas", "/status/readyReplicas", "/status/availableReplicas"]
        .map(count)
        .iter()
        .all(|count| *count == wanted);
    let ready = i64::try_from(ready_pods(world, deployment)).unwrap_or(i64::MAX);
    if seen && said && ready == wanted {
        return Ok(());
    }
    Err(format!("deployment {name} wants {wanted}, has {ready} ready and says {}", deployment["status"]))
}

fn ready_pods(world: &World, deployment: &Value) -> usize {
    let owned = |object: &Value, owner: &str| controller_of(object).is_some_and(|reference| reference.uid == owner);
    let sets: Vec<&str> = world.list("apps/replicasets").filter(|set| owned(set, uid(deployment))).map(uid).collect();
    let ours = |pod: &&Value| sets.iter().any(|set| owned(pod, set)) && deletion_timestamp(pod).is_none();
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    world.list("pods").filter(ours).filter(|pod| list_at(pod, "/status/conditions").iter().any(ready)).count()
}

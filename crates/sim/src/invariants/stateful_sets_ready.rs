//! A StatefulSet has exactly the ordinals it wants, ready, all of its newest revision, and says so.

use std::collections::BTreeSet;

use sampan_meta::object::{controller_of, generation, i64_at, list_at, name, str_at, uid};
use serde_json::Value;

use crate::invariants::Informed;
use crate::world::World;

pub(super) fn check(world: &World, _informed: &[Informed]) -> Result<(), String> {
    world.list("apps/statefulsets").try_for_each(|set| one(world, set))
}

fn one(world: &World, set: &Value) -> Result<(), String> {
    let wanted = i64_at(set, "/spec/replicas").unwrap_or(1);
    let owned = |pod: &&Value| controller_of(pod).is_some_and(|owner| owner.uid == uid(set));
    let revision = str_at(set, "/status/updateRevision");
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    let is_fine = |pod: &&Value| {
        pod.pointer("/metadata/labels/controller-revision-hash").and_then(Value::as_str) == revision
            && list_at(pod, "/status/conditions").iter().any(ready)
    };
    let fine: BTreeSet<String> =
        world.list("pods").filter(owned).filter(is_fine).map(|pod| name(pod).to_owned()).collect();
    let expected: BTreeSet<String> = (0..wanted).map(|ordinal| format!("{}-{ordinal}", name(set))).collect();
    let counts = ["replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas"];
    let said = counts.iter().all(|count| i64_at(set, &format!("/status/{count}")).unwrap_or(0) == wanted);
    let over = str_at(set, "/status/currentRevision") == revision;
    let seen = i64_at(set, "/status/observedGeneration") == Some(generation(set));
    if fine == expected && world.list("pods").filter(owned).count() == expected.len() && said && over && seen {
        return Ok(());
    }
    Err(format!("statefulset {} wants {wanted}, has {fine:?} and says {}", name(set), set["status"]))
}

//! What a budget says of the pods it selects is so.

use sampan_meta::object::{i64_at, list_at, name, str_at};
use serde_json::Value;

use crate::invariants::Informed;
use crate::world::World;

pub(super) fn check(world: &World, _informed: &[Informed]) -> Result<(), String> {
    world.list("policy/poddisruptionbudgets").try_for_each(|budget| one(world, budget))
}

fn one(world: &World, budget: &Value) -> Result<(), String> {
    let app = str_at(budget, "/spec/selector/matchLabels/app");
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    let pods: Vec<&Value> = world.list("pods").filter(|pod| str_at(pod, "/metadata/labels/app") == app).collect();
    let healthy = pods.iter().filter(|pod| list_at(pod, "/status/conditions").iter().any(ready)).count();
    let wanted = i64_at(budget, "/spec/minAvailable").unwrap_or(0);
    let (expected, healthy) = (number(pods.len()), number(healthy));
    let allowed = if expected > 0 { (healthy - wanted).max(0) } else { 0 };
    let said = |field: &str| i64_at(budget, &format!("/status/{field}"));
    let truth = [("expectedPods", expected), ("currentHealthy", healthy), ("disruptionsAllowed", allowed)];
    if truth.iter().all(|(field, count)| said(field) == Some(*count)) {
        return Ok(());
    }
    Err(format!("budget {} says {} where {truth:?} holds", name(budget), budget["status"]))
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

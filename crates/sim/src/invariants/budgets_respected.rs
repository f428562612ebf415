//! A ready pod is evicted only when its budget has it on record, and no budget goes below nothing.

use sampan_meta::object::{deletion_timestamp, i64_at, list_at, name, str_at};
use serde_json::Value;

use crate::world::{Step, World};

pub(super) fn check(world: &World, step: &Step) -> Result<(), String> {
    match (step.place.0.as_str(), &step.old, &step.new) {
        ("policy/poddisruptionbudgets", _, Some(budget)) => {
            let allowed = i64_at(budget, "/status/disruptionsAllowed").unwrap_or(0);
            if allowed < 0 { Err(format!("budget {} allows {allowed}", name(budget))) } else { Ok(()) }
        }
        ("pods", Some(old), Some(new)) if deletion_timestamp(old).is_none() && was_evicted(new) => one(world, new),
        _ => Ok(()),
    }
}

fn was_evicted(pod: &Value) -> bool {
    let by_eviction =
        |condition: &Value| condition["type"] == "DisruptionTarget" && condition["reason"] == "EvictionByEvictionAPI";
    deletion_timestamp(pod).is_some() && list_at(pod, "/status/conditions").iter().any(by_eviction)
}

fn one(world: &World, pod: &Value) -> Result<(), String> {
    let app = str_at(pod, "/metadata/labels/app");
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    if app.is_none() || !list_at(pod, "/status/conditions").iter().any(ready) {
        return Ok(());
    }
    let selects = |budget: &&Value| str_at(budget, "/spec/selector/matchLabels/app") == app;
    for budget in world.list("policy/poddisruptionbudgets").filter(selects) {
        let on_record = budget.pointer("/status/disruptedPods").is_some_and(|pods| pods.get(name(pod)).is_some());
        if !on_record {
            return Err(format!("pod {} was evicted past budget {}: {}", name(pod), name(budget), budget["status"]));
        }
    }
    Ok(())
}

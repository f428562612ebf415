//! What pods on a node request never exceeds what the node can allocate.

use sampan_meta::Quantity;
use sampan_meta::object::{list_at, str_at};
use serde_json::Value;

use crate::world::{Step, World};

/// Asked of the node that a write is about, unless it changes neither what is requested there nor what can be.
pub(super) fn check(world: &World, step: &Step) -> Result<(), String> {
    let same = |same: fn(&Value, &Value) -> bool, new: &Value| step.old.as_ref().is_some_and(|old| same(old, new));
    match (step.place.0.as_str(), &step.new) {
        ("pods", Some(pod)) if !same(takes_as_much, pod) => {
            str_at(pod, "/spec/nodeName").map_or(Ok(()), |node| one(world, node))
        }
        ("nodes", Some(node)) if !same(has_as_much, node) => one(world, &step.place.2),
        _ => Ok(()),
    }
}

fn one(world: &World, node: &str) -> Result<(), String> {
    let Some(allocatable) = world.get("nodes", "", node) else { return Ok(()) };
    let here = |pod: &&Value| str_at(pod, "/spec/nodeName") == Some(node) && !has_ended(pod);
    for resource in ["cpu", "memory"] {
        let has = milli(str_at(allocatable, &format!("/status/allocatable/{resource}")));
        let requested: i128 = world.list("pods").filter(here).map(|pod| requests(pod, resource)).sum();
        if requested > has {
            return Err(format!("pods on {node} request {requested}m {resource} of {has}m"));
        }
    }
    let (pods, most) =
        (world.list("pods").filter(here).count(), milli(str_at(allocatable, "/status/allocatable/pods")));
    if most > 0 && i128::try_from(pods).unwrap_or(i128::MAX) * 1000 > most {
        return Err(format!("{pods} pods are on {node}, which takes {}", most / 1000));
    }
    Ok(())
}

fn takes_as_much(old: &Value, new: &Value) -> bool {
    old["spec"]["nodeName"] == new["spec"]["nodeName"]
        && old["spec"]["containers"] == new["spec"]["containers"]
        && has_ended(old) == has_ended(new)
}

fn has_as_much(old: &Value, new: &Value) -> bool {
    old["status"]["allocatable"] == new["status"]["allocatable"]
}

fn has_ended(pod: &Value) -> bool {
    matches!(str_at(pod, "/status/phase"), Some("Succeeded" | "Failed"))
}

fn requests(pod: &Value, resource: &str) -> i128 {
    let pointer = format!("/resources/requests/{resource}");
    list_at(pod, "/spec/containers").iter().map(|one| milli(str_at(one, &pointer))).sum()
}

fn milli(text: Option<&str>) -> i128 {
    text.and_then(|text| Quantity::parse(text).ok()).map_or(0, |quantity| quantity.milli())
}

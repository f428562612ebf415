//! What pods on a node request never exceeds what the node can allocate.

use sampan_meta::Quantity;
use sampan_meta::object::{list_at, str_at};
use serde_json::Value;

use crate::world::{Step, World};

pub(super) fn check(world: &World, step: &Step) -> Result<(), String> {
    let ("pods", Some(pod)) = (step.place.0.as_str(), &step.new) else { return Ok(()) };
    let Some(node) = str_at(pod, "/spec/nodeName") else { return Ok(()) };
    let of_node = |(place, _): &(&crate::world::Place, &crate::world::Entry)| place.2 == node;
    let Some((_, entry)) = world.entries("nodes").find(of_node) else { return Ok(()) };
    let allocatable = milli(str_at(&entry.object, "/status/allocatable/cpu"));
    let here = |pod: &&Value| str_at(pod, "/spec/nodeName") == Some(node) && !has_ended(pod);
    let requested: i128 = world.list("pods").filter(here).map(requests).sum();
    if requested > allocatable {
        return Err(format!("pods on {node} request {requested}m of {allocatable}m"));
    }
    Ok(())
}

fn has_ended(pod: &Value) -> bool {
    matches!(str_at(pod, "/status/phase"), Some("Succeeded" | "Failed"))
}

fn requests(pod: &Value) -> i128 {
    list_at(pod, "/spec/containers").iter().map(|one| milli(str_at(one, "/resources/requests/cpu"))).sum()
}

fn milli(text: Option<&str>) -> i128 {
    text.and_then(|text| Quantity::parse(text).ok()).map_or(0, |quantity| quantity.milli())
}

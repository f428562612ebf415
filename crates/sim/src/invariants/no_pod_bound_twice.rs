//! A pod is bound once: its node never changes.

use sampan_meta::object::{str_at, uid};

use crate::world::{Step, World};

pub(super) fn check(_world: &World, step: &Step) -> Result<(), String> {
    let ("pods", Some(old), Some(new)) = (step.place.0.as_str(), &step.old, &step.new) else { return Ok(()) };
    let (before, after) = (str_at(old, "/spec/nodeName"), str_at(new, "/spec/nodeName"));
    if before.is_some() && before != after && uid(old) == uid(new) {
        return Err(format!("pod {} went from {before:?} to {after:?}", step.place.2));
    }
    Ok(())
}

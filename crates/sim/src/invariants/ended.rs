//! Nothing hangs half deleted, and no pod waits for a node or a start.

use sampan_meta::object::{deletion_timestamp, str_at};

use crate::invariants::Informed;
use crate::world::World;

pub(super) fn check(world: &World, _informed: &[Informed]) -> Result<(), String> {
    for (place, entry) in world.all() {
        if deletion_timestamp(&entry.object).is_some() {
            return Err(format!("{place:?} was deleted and is still there"));
        }
        if place.0 == "pods" && str_at(&entry.object, "/status/phase").is_none_or(|phase| phase == "Pending") {
            return Err(format!("{place:?} is pending: {}", entry.object["status"]));
        }
    }
    Ok(())
}

//! Whatever has a controller: that one exists.

use std::collections::BTreeSet;

use sampan_meta::object::{controller_of, uid};

use crate::invariants::Informed;
use crate::world::World;

pub(super) fn check(world: &World, _informed: &[Informed]) -> Result<(), String> {
    let there: BTreeSet<&str> = world.all().map(|(_, entry)| uid(&entry.object)).collect();
    for (place, entry) in world.all() {
        if let Some(owner) = controller_of(&entry.object).filter(|owner| !there.contains(owner.uid.as_str())) {
            return Err(format!("{place:?} is controlled by {} {} that is gone", owner.kind, owner.name));
        }
    }
    Ok(())
}

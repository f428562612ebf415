//! Who only ever watched, over lines that were bad, knows exactly what the store holds.

use std::collections::BTreeMap;

use sampan_client::{Informer, ResourceExt, Watched};

use crate::world::World;

/// What an informer believes of a resource: namespace and name to version.
pub struct Informed {
    resource: &'static str,
    believed: BTreeMap<(String, String), String>,
}

/// Reads an informer.
pub fn informed<K: Watched + ResourceExt>(resource: &'static str, informer: &Informer<K>) -> Informed {
    let entry = |object: &K| {
        let place = (object.namespace().unwrap_or_default(), object.name_any());
        (place, object.resource_version().unwrap_or_default())
    };
    Informed { resource, believed: informer.list().iter().map(|object| entry(object)).collect() }
}

pub(super) fn check(world: &World, informed: &[Informed]) -> Result<(), String> {
    for Informed { resource, believed } in informed {
        let entries = world.entries(resource);
        let stored: BTreeMap<_, _> =
            entries.map(|(place, entry)| ((place.1.clone(), place.2.clone()), entry.revision.to_string())).collect();
        if stored != *believed {
            return Err(format!("an informer of {resource} believes {believed:?}, the store holds {stored:?}"));
        }
    }
    Ok(())
}

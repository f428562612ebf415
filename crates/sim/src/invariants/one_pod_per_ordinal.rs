//! Never two pods of one StatefulSet ordinal: name, index and owner of a pod say the same, and no other pod says it too.

use sampan_meta::object::{controller_of, labels, name, uid};
use serde_json::Value;

use crate::world::{Step, World};

pub(super) fn check(world: &World, step: &Step) -> Result<(), String> {
    let ("pods", Some(pod)) = (step.place.0.as_str(), &step.new) else { return Ok(()) };
    let Some((owner, index)) = identity(pod) else { return Ok(()) };
    // It has been asked when the pod came.
    if step
        .old
        .as_ref()
        .is_some_and(|old| uid(old) == uid(pod) && identity(old).as_ref() == Some(&(owner.clone(), index.clone())))
    {
        return Ok(());
    }
    let twin =
        |other: &&Value| uid(other) != uid(pod) && identity(other).as_ref() == Some(&(owner.clone(), index.clone()));
    if let Some(twin) = world.list("pods").find(twin) {
        return Err(format!("pods {} and {} are both {index} of {owner}", name(pod), name(twin)));
    }
    if name(pod).rsplit_once('-').map(|(_, ordinal)| ordinal) != Some(&index) {
        return Err(format!("pod {} says that it is number {index}", name(pod)));
    }
    Ok(())
}

/// The uid of the set and the ordinal in it.
fn identity(pod: &Value) -> Option<(String, String)> {
    let owner = controller_of(pod).filter(|owner| owner.kind == "StatefulSet")?;
    let index = labels(pod)?.get("apps.kubernetes.io/pod-index")?.as_str()?.to_owned();
    Some((owner.uid.clone(), index))
}

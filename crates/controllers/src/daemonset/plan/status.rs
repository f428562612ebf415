//! What a DaemonSet says of itself. As upstream's `updateDaemonSetStatus`.

use sampan_api::k8s::api::apps::v1::DaemonSetStatus;
use sampan_api::pod;

use super::{Observed, OnNodes, place};

/// The status to write, if it differs from the one there is. Of a node's pods the oldest counts.
pub(super) fn changed(observed: &Observed<'_>, on_nodes: &OnNodes) -> Option<DaemonSetStatus> {
    let old = observed.set.status.clone().unwrap_or_default();
    let (mut available, mut updated) = (0, 0);
    let mut new = DaemonSetStatus {
        observed_generation: observed.set.metadata.generation,
        collision_count: Some(observed.collisions).filter(|count| *count > 0).or(old.collision_count),
        conditions: old.conditions,
        ..DaemonSetStatus::default()
    };
    for node in observed.nodes {
        let oldest = node.metadata.name.as_ref().and_then(|name| on_nodes.get(name)?.first());
        if !place(observed.set, node).run {
            new.number_misscheduled += i32::from(oldest.is_some());
            continue;
        }
        new.desired_number_scheduled += 1;
        let Some(oldest) = oldest else { continue };
        new.current_number_scheduled += 1;
        new.number_ready += i32::from(pod::is_ready(oldest));
        available += i32::from(observed.is_available(oldest));
        updated += i32::from(observed.is_new(oldest));
    }
    new.number_available = present(available);
    new.number_unavailable = present(new.desired_number_scheduled - available);
    new.updated_number_scheduled = present(updated);
    (observed.set.status.as_ref() != Some(&new)).then_some(new)
}

fn present(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

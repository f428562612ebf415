//! What a StatefulSet says of itself.

use sampan_api::k8s::api::apps::v1::{ControllerRevision, StatefulSetStatus};
use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::pod;

use super::{Observed, is_running_and_ready, revision_of};

/// The status to write, if it differs from the one there is.
pub(super) fn changed(observed: &Observed<'_>) -> Option<StatefulSetStatus> {
    let old = observed.set.status.clone().unwrap_or_default();
    let count = |has: &dyn Fn(&Pod) -> bool| number(observed.pods.iter().filter(|pod| has(pod)).count());
    let mut new = StatefulSetStatus {
        observed_generation: observed.set.metadata.generation,
        replicas: count(&is_created),
        ready_replicas: present(count(&is_running_and_ready)),
        available_replicas: Some(count(&|pod| observed.is_available(pod))),
        current_replicas: present(of_revision(observed, observed.current)),
        updated_replicas: present(of_revision(observed, observed.update)),
        current_revision: observed.current.metadata.name.clone(),
        update_revision: observed.update.metadata.name.clone(),
        collision_count: Some(observed.collisions),
        conditions: old.conditions.clone(),
    };
    complete(observed, &mut new);
    (observed.set.status.as_ref() != Some(&new)).then_some(new)
}

/// A rollout that is over: what it went to is what is current. Upstream: `completeRollingUpdate`.
fn complete(observed: &Observed<'_>, status: &mut StatefulSetStatus) {
    let wanted = observed.replicas();
    let all = |count: Option<i32>| count.unwrap_or(0) == wanted;
    let over = all(status.updated_replicas) && all(status.ready_replicas) && status.replicas == wanted;
    if over && !observed.is_on_delete() {
        status.current_replicas = status.updated_replicas;
        status.current_revision.clone_from(&status.update_revision);
    }
}

/// How many pods are of a revision and not being deleted.
pub(super) fn of_revision(observed: &Observed<'_>, revision: &ControllerRevision) -> i32 {
    let of_it = |pod: &Pod| {
        is_created(pod) && !pod::is_terminating(pod) && revision_of(pod) == revision.metadata.name.as_deref()
    };
    number(observed.pods.iter().filter(|pod| of_it(pod)).count())
}

/// The apiserver gives every pod a phase.
fn is_created(pod: &Pod) -> bool {
    !pod::phase(pod).is_empty()
}

fn present(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

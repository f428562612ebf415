//! The two strategies, and the history they leave.

use sampan_api::k8s::api::apps::v1::ReplicaSet;

use super::rollout::Rollout;
use super::{Plan, revision, status};

/// Up with the new as far as the surge allows, then down with the old as far as availability does.
pub(super) fn rolling(rollout: &mut Rollout, plan: &mut Plan) {
    revision::sync(rollout, plan, true);
    if plan.create.is_some() || scale_up_new(rollout) || scale_down_old(rollout) {
        return;
    }
    if status::is_complete(rollout, &rollout.old_status) {
        clean_up(rollout, plan);
    }
}

/// All old pods end before the first new one begins.
pub(super) fn recreate(rollout: &mut Rollout, plan: &mut Plan, has_pods: &dyn Fn(&ReplicaSet) -> bool) {
    revision::sync(rollout, plan, false);
    let active = rollout.active_old();
    if !active.is_empty() {
        active.into_iter().for_each(|index| rollout.scale(index, 0));
        return;
    }
    if rollout.old().into_iter().any(|index| has_pods(&rollout.drafts[index].set)) {
        return;
    }
    let wanted = rollout.wanted();
    match rollout.new {
        None => revision::sync(rollout, plan, true),
        Some(index) if rollout.drafts[index].replicas() != wanted => rollout.scale(index, wanted),
        Some(_) if status::is_complete(rollout, &rollout.old_status) => clean_up(rollout, plan),
        Some(_) => {}
    }
}

/// Returns whether the new ReplicaSet gets another size.
fn scale_up_new(rollout: &mut Rollout) -> bool {
    let Some(index) = rollout.new else { return false };
    let (wanted, current) = (rollout.wanted(), rollout.drafts[index].replicas());
    let room = wanted + rollout.bounds().surge - rollout.total();
    let size = if current >= wanted { wanted } else { current + room.clamp(0, wanted - current) };
    if size != current {
        rollout.scale(index, size);
    }
    size != current
}

/// Returns whether an old ReplicaSet gets another size.
fn scale_down_old(rollout: &mut Rollout) -> bool {
    let old = rollout.active_old();
    let Some(new) = rollout.new_draft() else { return false };
    let minimum = rollout.wanted() - rollout.bounds().unavailable;
    let new_unavailable = new.replicas() - new.available();
    let removable = rollout.total() - minimum - new_unavailable;
    if old.is_empty() || removable <= 0 {
        return false;
    }
    let unhealthy = drop_unhealthy(rollout, &old, removable);
    let healthy = drop_healthy(rollout, &old, minimum);
    unhealthy + healthy > 0
}

/// Pods that are not available can go without harm, oldest ReplicaSet first.
fn drop_unhealthy(rollout: &mut Rollout, old: &[usize], at_most: i32) -> i32 {
    let mut dropped = 0;
    for index in old.iter().copied() {
        let draft = &rollout.drafts[index];
        let size = draft.replicas();
        let count = (size - draft.available()).clamp(0, at_most - dropped);
        if count > 0 {
            rollout.scale(index, size - count);
            dropped += count;
        }
    }
    dropped
}

/// Available pods beyond the minimum can go. Upstream counts those that a smaller size has already condemned as available still, and
/// may go below the minimum while a ReplicaSet's status lags behind; here they count no more.
fn drop_healthy(rollout: &mut Rollout, old: &[usize], minimum: i32) -> i32 {
    let lasting: i32 = rollout.drafts.iter().map(|draft| draft.available().min(draft.replicas())).sum();
    let removable = (lasting - minimum).max(0);
    let mut dropped = 0;
    for index in old.iter().copied() {
        let size = rollout.drafts[index].replicas();
        let count = size.min(removable - dropped);
        if count > 0 {
            rollout.scale(index, size - count);
            dropped += count;
        }
    }
    dropped
}

/// Deletes empty old ReplicaSets beyond the history limit, lowest revision first.
pub(super) fn clean_up(rollout: &Rollout, plan: &mut Plan) {
    let Some(limit) = rollout.spec().revision_history_limit.filter(|limit| *limit != i32::MAX) else { return };
    let mut old: Vec<&ReplicaSet> = rollout.old().into_iter().map(|index| &rollout.drafts[index].set).collect();
    old.retain(|set| set.metadata.deletion_timestamp.is_none());
    old.sort_by_key(|set| revision::revision_of(&set.metadata));
    let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    let disposable = old.into_iter().take(surplus).filter(|set| is_disposable(set));
    plan.delete = disposable.filter_map(|set| set.metadata.name.clone()).collect();
}

/// Empty, and known to be so by its own controller.
fn is_disposable(set: &ReplicaSet) -> bool {
    let status = set.status.clone().unwrap_or_default();
    super::rollout::replicas(set) == 0 && status.replicas == 0 && set.metadata.generation <= status.observed_generation
}

//! A change of size, shared out among the ReplicaSets of a rollout that is under way.

use super::rollout::{MAXIMUM, Rollout, annotated};

pub(super) fn scale(rollout: &mut Rollout) {
    let wanted = rollout.wanted();
    if let Some(index) = only_active_or_latest(rollout) {
        rollout.scale(index, wanted);
    } else if is_saturated(rollout) {
        rollout.active_old().into_iter().for_each(|index| rollout.scale(index, 0));
    } else if !rollout.is_recreate() {
        share_out(rollout);
    }
}

/// The one to size if there is nothing to share out.
fn only_active_or_latest(rollout: &Rollout) -> Option<usize> {
    let new_is_active = rollout.new.filter(|index| rollout.drafts[*index].is_active());
    let mut active = rollout.active_old();
    active.extend(new_is_active);
    match active.as_slice() {
        [] => rollout.new.or_else(|| rollout.old().last().copied()),
        [only] => Some(*only),
        _ => None,
    }
}

/// The new ReplicaSet has all it is to have, so that the old ones are done.
fn is_saturated(rollout: &Rollout) -> bool {
    let (wanted, Some(new)) = (rollout.wanted(), rollout.new_draft()) else { return false };
    let annotated = annotated(&new.set, super::rollout::DESIRED);
    new.replicas() == wanted && annotated == Some(wanted) && new.available() == wanted
}

/// Each active ReplicaSet gets its share of what is added or removed, the largest what is left over.
fn share_out(rollout: &mut Rollout) {
    let wanted = rollout.wanted();
    let allowed = if wanted > 0 { wanted + rollout.bounds().surge } else { 0 };
    let to_add = allowed - rollout.total();
    let mut sizes = Vec::new();
    let mut added = 0;
    for index in in_order(rollout, to_add) {
        let size = rollout.drafts[index].replicas();
        let share = share(rollout, index, allowed, to_add, added);
        added += share;
        sizes.push((index, size + share));
    }
    if let Some((_, largest)) = sizes.first_mut().filter(|_| to_add != 0) {
        *largest = (*largest + to_add - added).max(0);
    }
    sizes.into_iter().for_each(|(index, size)| rollout.scale(index, size));
}

/// Largest first; of equals the newest when growing, the oldest when shrinking.
fn in_order(rollout: &Rollout, to_add: i32) -> Vec<usize> {
    let mut active: Vec<usize> = (0..rollout.drafts.len()).filter(|index| rollout.drafts[*index].is_active()).collect();
    let age = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
    let tie = |index: usize| if to_add > 0 { -age(index) } else { age(index) };
    active.sort_by_key(|index| (-rollout.drafts[*index].replicas(), tie(*index)));
    active
}

/// What a ReplicaSet gains or loses to keep its part of the whole.
fn share(rollout: &Rollout, index: usize, allowed: i32, to_add: i32, added: i32) -> i32 {
    let draft = &rollout.drafts[index];
    if to_add == 0 || to_add == added {
        return 0;
    }
    let fraction = if rollout.wanted() == 0 { -draft.replicas() } else { fraction(rollout, index, allowed) };
    let left = to_add - added;
    if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
}

fn fraction(rollout: &Rollout, index: usize, allowed: i32) -> i32 {
    let draft = &rollout.drafts[index];
    let before = annotated(&draft.set, MAXIMUM).filter(|before| *before != 0);
    let before = before.or(rollout.old_status.replicas).unwrap_or(0);
    if before == 0 {
        return 0;
    }
    let (size, before) = (i64::from(draft.replicas()), i64::from(before));
    // Rounded half up, as upstream does with floating point.
    let new_size = (2 * size * i64::from(allowed) + before).div_euclid(2 * before);
    i32::try_from(new_size - size).unwrap_or(0)
}

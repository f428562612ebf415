//! What a delete does to an object, decided without doing it.

use jiff::{SignedDuration, Timestamp};
use sampan_meta::object;
use serde_json::Value;

use crate::options::{DeleteOptions, Propagation};
use crate::strategy::Strategy;

pub(crate) const ORPHAN: &str = "orphan";
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

/// What one delete does.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Deletion has begun before, and this request asks for nothing more.
    Nothing,
    /// The object goes without further ado.
    Remove,
    /// The object is marked and stays.
    Mark(Value),
    /// The object is marked, seen so by watchers, and goes.
    MarkAndRemove(Value),
}

/// Upstream: `rest.BeforeDelete` and `Store.updateForGracefulDeletionAndFinalizers`.
pub(crate) fn plan(strategy: &dyn Strategy, old: &Value, options: &DeleteOptions, now: Timestamp) -> Step {
    let mut object = old.clone();
    object::remove(&mut object, &["metadata", "resourceVersion"]);
    let finalizers_changed = settle_finalizers(&mut object, options.propagation);
    let held = strategy.held(&object) || object::finalizers(&object).next().is_some();
    let graceful = match strategy.grace_period(old, options.grace_period_seconds) {
        Some(grace) => grace_step(&mut object, grace, options.grace_period_seconds, now),
        None => Grace::None,
    };
    let begins = object::deletion_timestamp(old).is_none();
    match graceful {
        Grace::Pending if finalizers_changed => Step::Mark(object),
        Grace::Pending => Step::Nothing,
        Grace::Set(seconds) if seconds > 0 || held => marked(strategy, object, begins),
        Grace::Set(_) => Step::MarkAndRemove(object),
        Grace::None if !held => Step::Remove,
        Grace::None if begins => {
            object::set_deletion_timestamp(&mut object, now);
            object::set_deletion_grace_period_seconds(&mut object, 0);
            raise_generation(&mut object);
            marked(strategy, object, begins)
        }
        Grace::None if finalizers_changed => Step::Mark(object),
        Grace::None => Step::Nothing,
    }
}

fn marked(strategy: &dyn Strategy, mut object: Value, begins: bool) -> Step {
    if begins {
        strategy.deletion_begins(&mut object);
    }
    Step::Mark(object)
}

enum Grace {
    /// The kind has none, or the object's is over.
    None,
    /// A grace period runs already and is not shortened.
    Pending,
    /// The object was given this many seconds.
    Set(i64),
}

/// Sets the grace period, or shortens the one that runs: it is never made longer.
fn grace_step(object: &mut Value, grace: i64, requested: Option<i64>, now: Timestamp) -> Grace {
    let Some(until) = object::deletion_timestamp(object) else {
        object::set_deletion_timestamp(object, later(now, grace));
        object::set_deletion_grace_period_seconds(object, grace);
        raise_generation(object);
        return Grace::Set(grace);
    };
    let Some(before) = object::deletion_grace_period_seconds(object) else { return Grace::None };
    match requested.map(|_| grace) {
        Some(wanted) if wanted < before => {
            object::set_deletion_timestamp(object, later(until, wanted - before));
            object::set_deletion_grace_period_seconds(object, wanted);
            Grace::Set(wanted)
        }
        // The grace is over; whoever was to remove the object did not get to it.
        _ if before <= 0 => Grace::None,
        _ => Grace::Pending,
    }
}

fn later(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// Beginning to delete an object is a change that controllers have to observe.
fn raise_generation(object: &mut Value) {
    let generation = object::generation(object);
    if generation > 0 {
        object::set_generation(object, generation + 1);
    }
}

/// Adds the finalizer the propagation policy asks for and takes the other away. Upstream: `deletionFinalizersForGarbageCollection`.
fn settle_finalizers(object: &mut Value, propagation: Option<Propagation>) -> bool {
    let before: Vec<String> = object::finalizers(object).map(str::to_owned).collect();
    let wanted = match propagation {
        None => return false,
        Some(Propagation::Orphan) => Some(ORPHAN),
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Background) => None,
    };
    let others = before.iter().filter(|name| !matches!(name.as_str(), ORPHAN | FOREGROUND)).cloned();
    let after: Vec<String> = others.chain(wanted.map(str::to_owned)).collect();
    let changed = after.len() != before.len() || after.iter().any(|name| !before.contains(name));
    if changed {
        object::set_finalizers(object, after);
    }
    changed
}

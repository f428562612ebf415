//! What must hold: one function per promise, one line in [`all`].

mod budgets_respected;
mod budgets_true;
mod completions_exact;
mod cron_jobs_kept;
mod daemon_sets_ready;
mod deployments_ready;
mod ended;
mod informers_equal;
mod jobs_done;
mod no_orphans;
mod no_pod_bound_twice;
mod one_pod_per_ordinal;
mod requests_within_allocatable;
mod stateful_sets_ready;

use crate::world::{Step, World};

pub use informers_equal::{Informed, informed};

/// One promise.
pub enum Invariant {
    /// Holds at every write.
    Always(fn(&World, &Step) -> Result<(), String>),
    /// Holds once nothing fails any more and the cluster had time.
    Settled(fn(&World, &[Informed]) -> Result<(), String>),
}

/// All promises, by name.
#[must_use]
pub fn all() -> Vec<(&'static str, Invariant)> {
    use Invariant::{Always, Settled};
    vec![
        ("no_pod_bound_twice", Always(no_pod_bound_twice::check)),
        ("requests_within_allocatable", Always(requests_within_allocatable::check)),
        ("completions_exact", Always(completions_exact::check)),
        ("one_pod_per_ordinal", Always(one_pod_per_ordinal::check)),
        ("budgets_respected", Always(budgets_respected::check)),
        ("no_orphans", Settled(no_orphans::check)),
        ("deployments_ready", Settled(deployments_ready::check)),
        ("stateful_sets_ready", Settled(stateful_sets_ready::check)),
        ("daemon_sets_ready", Settled(daemon_sets_ready::check)),
        ("cron_jobs_kept", Settled(cron_jobs_kept::check)),
        ("budgets_true", Settled(budgets_true::check)),
        ("jobs_done", Settled(jobs_done::check)),
        ("ended", Settled(ended::check)),
        ("informers_equal", Settled(informers_equal::check)),
    ]
}

/// What a write broke.
pub(crate) fn broken_by(world: &World, step: &Step) -> Vec<(&'static str, String)> {
    let checked = all().into_iter().filter_map(|(name, invariant)| match invariant {
        Invariant::Always(check) => check(world, step).err().map(|why| (name, why)),
        Invariant::Settled(_) => None,
    });
    checked.collect()
}

/// What does not hold yet of a cluster that should have settled.
pub(crate) fn unsettled(world: &World, informed: &[Informed]) -> Vec<(&'static str, String)> {
    let checked = all().into_iter().filter_map(|(name, invariant)| match invariant {
        Invariant::Settled(check) => check(world, informed).err().map(|why| (name, why)),
        Invariant::Always(_) => None,
    });
    checked.collect()
}

#[cfg(test)]
mod tests;

//! The node where making room costs least.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::PodRequest;

/// A node that could be emptied far enough.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) slot: usize,
    /// Who has to go, the most important first.
    pub(super) victims: Vec<Arc<PodRequest>>,
    /// How many of them a disruption budget would keep.
    pub(super) violations: usize,
}

/// The least harmful; of equals the first. Upstream's `pickOneNodeForPreemption`: fewest violated budgets, least important victim, least
/// importance in sum, fewest victims, then those that have run for the shortest time.
pub(super) fn best(choices: Vec<Choice>) -> Option<Choice> {
    choices.into_iter().min_by_key(|choice| {
        let highest = choice.victims.first().map(|pod| pod.priority);
        let sum: i64 = choice.victims.iter().map(|pod| i64::from(pod.priority) + i64::from(i32::MAX) + 1).sum();
        (choice.violations, highest, sum, choice.victims.len(), Reverse(earliest_start(choice, highest)))
    })
}

/// When the first of the most important victims started; one that has not started comes last.
fn earliest_start(choice: &Choice, highest: Option<i32>) -> (bool, Option<jiff::Timestamp>) {
    let important = choice.victims.iter().filter(|pod| Some(pod.priority) == highest);
    let starts = important.map(|pod| (pod.started().is_none(), pod.started()));
    starts.min().unwrap_or((true, None))
}

//! Completion indexes: which are done, which are at work, which come next.

use std::collections::BTreeSet;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Pod;

use super::Observed;

pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

pub(super) fn index_of(pod: &Pod) -> Option<u32> {
    pod.metadata.annotations.as_ref()?.get(INDEX)?.parse().ok()
}

/// Reads `0-2,5`. What is beyond the completions (they were lowered) does not count.
pub(super) fn parse(text: &str, completions: usize) -> BTreeSet<u32> {
    let completions = u32::try_from(completions).unwrap_or(u32::MAX);
    let mut done = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
            done.extend(first..last.saturating_add(1).min(completions));
        }
    }
    done
}

/// Writes `0-2,5`.
pub(super) fn format(done: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for index in done {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => ranges.push((*index, *index)),
        }
    }
    let text = |(first, last): (u32, u32)| match last - first {
        0 => first.to_string(),
        // Upstream writes neighbours as a pair and three or more as a range.
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    ranges.into_iter().map(text).collect::<Vec<_>>().join(",")
}

/// Splits the active pods into one per index that is not done yet, and the rest. Without indexes all are kept.
pub(super) fn without_duplicates(
    observed: &Observed<'_>,
    done: &BTreeSet<u32>,
    active: Vec<Arc<Pod>>,
) -> (Vec<Arc<Pod>>, Vec<Arc<Pod>>) {
    if !observed.is_indexed() {
        return (active, Vec::new());
    }
    let completions = observed.completions().unwrap_or(0);
    let mut seen = BTreeSet::new();
    active.into_iter().partition(|pod| {
        let in_range = |index: &u32| usize::try_from(*index).is_ok_and(|index| index < completions);
        index_of(pod).filter(in_range).is_some_and(|index| !done.contains(&index) && seen.insert(index))
    })
}

/// The lowest indexes that are neither done nor at work.
pub(super) fn next(done: &BTreeSet<u32>, active: &[Arc<Pod>], completions: usize, count: usize) -> Vec<u32> {
    let at_work: BTreeSet<u32> = active.iter().filter_map(|pod| index_of(pod)).collect();
    let all = 0..u32::try_from(completions).unwrap_or(u32::MAX);
    all.filter(|index| !done.contains(index) && !at_work.contains(index)).take(count).collect()
}

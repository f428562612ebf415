//! When what became of which pod. Plain state, fed by one watch.

use std::collections::HashMap;
use std::time::Duration;

use super::figures::Spread;
use super::pod::Pod;

/// The moments of pods, since the beginning of the load.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pods: HashMap<String, Moments>,
    /// When the request that creates a pod was sent, by namespace and name; where known, a pod's time counts from there.
    sent: HashMap<(String, String), Duration>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug)]
struct Moments {
    created: Duration,
    bound: Option<Duration>,
    runs: Option<Duration>,
}

/// How many pods have come how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) created: usize,
    pub(super) bound: usize,
    pub(super) running: usize,
}

/// What is said of all pods in the end.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) counts: Counts,
    pub(super) create_to_bound: Spread,
    pub(super) bound_to_running: Spread,
    /// From the first creation to the last binding.
    pub(super) binding: Duration,
    /// From the first creation until the last pod ran.
    pub(super) starting: Duration,
}

impl Timeline {
    /// A request that creates a pod leaves.
    pub(super) fn sends(&mut self, namespace: &str, name: &str, now: Duration) {
        self.sent.insert((namespace.to_owned(), name.to_owned()), now);
    }

    /// The pod was seen as it is.
    pub(super) fn sees(&mut self, pod: &Pod, now: Duration) {
        let sent = &mut self.sent;
        let counts = &mut self.counts;
        let moments = self.pods.entry(pod.metadata.uid.clone()).or_insert_with(|| {
            counts.created += 1;
            let sent = sent.remove(&(pod.metadata.namespace.clone(), pod.metadata.name.clone()));
            Moments { created: sent.unwrap_or(now), bound: None, runs: None }
        });
        if moments.bound.is_none() && pod.is_bound() {
            moments.bound = Some(now);
            counts.bound += 1;
        }
        if moments.runs.is_none() && pod.runs() {
            moments.runs = Some(now);
            counts.running += 1;
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn summary(&self) -> Summary {
        let moments = || self.pods.values();
        let first = moments().map(|one| one.created).min().unwrap_or_default();
        let since_first = |last: Option<Duration>| last.unwrap_or_default().saturating_sub(first);
        let to_bound = moments().filter_map(|one| Some(one.bound?.saturating_sub(one.created)));
        let to_running = moments().filter_map(|one| Some(one.runs?.saturating_sub(one.bound?)));
        Summary {
            counts: self.counts,
            create_to_bound: Spread::of(to_bound.collect()),
            bound_to_running: Spread::of(to_running.collect()),
            binding: since_first(moments().filter_map(|one| one.bound).max()),
            starting: since_first(moments().filter_map(|one| one.runs).max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(uid: &str, node: Option<&str>, phase: &str) -> Pod {
        let value: Value = json!({
            "metadata": {"name": uid, "namespace": "load", "uid": uid}, "spec": {"nodeName": node}, "status": {"phase": phase},
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_pod_counts_from_when_it_was_sent_and_each_step_once() {
        let (mut timeline, at) = (Timeline::default(), Duration::from_millis);
        timeline.sends("load", "a", at(10));
        timeline.sees(&pod("a", None, "Pending"), at(15));
        timeline.sees(&pod("b", None, "Pending"), at(20));
        timeline.sees(&pod("a", Some("n"), "Pending"), at(30));
        timeline.sees(&pod("a", Some("n"), "Running"), at(60));
        timeline.sees(&pod("a", Some("n"), "Running"), at(90));
        assert_eq!(timeline.counts(), Counts { created: 2, bound: 1, running: 1 });
        let summary = timeline.summary();
        assert_eq!((summary.create_to_bound.p50, summary.bound_to_running.most), (at(20), at(30)));
        assert_eq!((summary.binding, summary.starting), (at(20), at(50)));
    }
}

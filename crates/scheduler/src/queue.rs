//! Pods waiting for a node: those to try now, those to try later, and those that wait for the cluster to change. Plain data; the time is
//! an argument.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::PodRequest;
use crate::plugins::Hint;

/// Upstream's `podInitialBackoffSeconds` and `podMaxBackoffSeconds`.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// Order among pods to try now: higher priority first, then who came first.
type Turn = (Reverse<i32>, u64);

/// The scheduling queue.
#[derive(Debug, Default)]
pub struct Queue {
    /// Ordered: who is helped by the same event gets its turn in the same order in every run.
    pods: BTreeMap<String, Entry>,
    active: BTreeMap<Turn, String>,
    backoff: BTreeMap<(Instant, u64), String>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<PodRequest>,
    attempts: u32,
    last_attempt: Option<Instant>,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Active(Turn),
    Backoff((Instant, u64)),
    Waiting(BTreeSet<Hint>),
    /// Popped: somebody is deciding on it or binding it.
    Trying,
}

impl Queue {
    /// Adds a pod, or takes its new state: a pod that changed is tried again, because the change may be what it needed.
    pub fn add(&mut self, pod: Arc<PodRequest>) {
        let uid = pod.uid.clone();
        if let Some(entry) = self.pods.get_mut(&uid) {
            entry.pod = pod;
            if !matches!(entry.place, Place::Waiting(_)) {
                return;
            }
        } else {
            self.pods.insert(uid.clone(), Entry { pod, attempts: 0, last_attempt: None, place: Place::Trying });
        }
        self.activate(&uid);
    }

    /// Forgets a pod: bound, deleted, or no longer ours. Returns whether it was there.
    pub fn remove(&mut self, uid: &str) -> bool {
        let Some(entry) = self.pods.remove(uid) else { return false };
        match entry.place {
            Place::Active(turn) => drop(self.active.remove(&turn)),
            Place::Backoff(due) => drop(self.backoff.remove(&due)),
            Place::Waiting(_) | Place::Trying => {}
        }
        true
    }

    /// The next pod to try.
    pub fn pop(&mut self, now: Instant) -> Option<Arc<PodRequest>> {
        self.wake(now);
        let (_, uid) = self.active.pop_first()?;
        let entry = self.pods.get_mut(&uid)?;
        entry.place = Place::Trying;
        entry.attempts += 1;
        entry.last_attempt = Some(now);
        Some(entry.pod.clone())
    }

    /// When a pod becomes due that is not yet to be tried now.
    pub fn next_due(&self) -> Option<Instant> {
        self.backoff.first_key_value().map(|((due, _), _)| *due)
    }

    /// The pod fits nowhere until one of `hints` happens.
    pub fn wait_for(&mut self, uid: &str, hints: BTreeSet<Hint>) {
        if let Some(entry) = self.pods.get_mut(uid) {
            entry.place = Place::Waiting(hints);
        }
    }

    /// Trying failed for a reason outside the cluster's state (the binding was refused or lost): again after a while.
    pub fn retry(&mut self, uid: &str) {
        self.back_off(uid);
    }

    /// Something happened that may help those who wait for it.
    pub fn happened(&mut self, hint: Hint) {
        let waits = |entry: &&Entry| matches!(&entry.place, Place::Waiting(hints) if hints.contains(&hint));
        let helped: Vec<_> = self.pods.values().filter(waits).map(|entry| entry.pod.uid.clone()).collect();
        for uid in helped {
            self.back_off(&uid);
        }
    }

    /// How many pods are known.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    /// Whether no pod is known.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    fn activate(&mut self, uid: &str) {
        self.next += 1;
        let next = self.next;
        if let Some(entry) = self.pods.get_mut(uid) {
            let turn = (Reverse(entry.pod.priority), next);
            entry.place = Place::Active(turn);
            self.active.insert(turn, uid.to_owned());
        }
    }

    fn back_off(&mut self, uid: &str) {
        self.next += 1;
        let Some(entry) = self.pods.get_mut(uid) else { return };
        let Some(last) = entry.last_attempt else { return self.activate(uid) };
        let due = (last + backoff(entry.attempts), self.next);
        entry.place = Place::Backoff(due);
        self.backoff.insert(due, uid.to_owned());
    }

    fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.backoff.first_entry().filter(|entry| entry.key().0 <= now) {
            let uid = entry.remove();
            self.activate(&uid);
        }
    }
}

fn backoff(attempts: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(uid: &str, priority: i32) -> Arc<PodRequest> {
        let pod = json!({"metadata": {"name": uid, "uid": uid}, "spec": {"priority": priority, "containers": []}});
        Arc::new(PodRequest::new(Arc::new(serde_json::from_value(pod).unwrap())))
    }

    fn popped(queue: &mut Queue, now: Instant) -> Option<String> {
        queue.pop(now).map(|pod| pod.uid.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn higher_priority_goes_first_and_then_who_came_first() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for (uid, priority) in [("a", 0), ("b", 10), ("c", 0)] {
            queue.add(pod(uid, priority));
        }
        assert_eq!(
            [popped(&mut queue, now), popped(&mut queue, now), popped(&mut queue, now), popped(&mut queue, now)],
            [Some("b".into()), Some("a".into()), Some("c".into()), None]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_pod_waits_for_what_could_help_and_then_its_backoff() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.add(pod("a", 0));
        popped(&mut queue, now);
        queue.wait_for("a", BTreeSet::from([Hint::Node]));
        queue.happened(Hint::PodGone);
        assert_eq!((popped(&mut queue, now), queue.next_due()), (None, None));
        queue.happened(Hint::Node);
        assert_eq!(queue.next_due(), Some(now + FIRST_BACKOFF));
        assert_eq!(popped(&mut queue, now), None);
        assert_eq!(popped(&mut queue, now + FIRST_BACKOFF), Some("a".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn backoff_doubles_up_to_its_limit() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        queue.add(pod("a", 0));
        let mut waits = Vec::new();
        for _ in 0..6 {
            popped(&mut queue, now);
            queue.retry("a");
            let due = queue.next_due().unwrap();
            waits.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_pod_is_tried_at_once_and_a_removed_one_never() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.add(pod("a", 0));
        popped(&mut queue, now);
        queue.add(pod("a", 5));
        assert_eq!(popped(&mut queue, now), None, "it is being tried");
        queue.wait_for("a", BTreeSet::from([Hint::Node]));
        queue.add(pod("a", 5));
        assert_eq!(popped(&mut queue, now), Some("a".into()));
        queue.retry("a");
        assert!(queue.remove("a") && queue.is_empty() && queue.next_due().is_none());
    }
}

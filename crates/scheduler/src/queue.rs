//! Pods waiting for a node: those to try now, those to try later, and those that wait for the cluster to change. Plain data; the time is
//! an argument.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::PodRequest;
use crate::profile::PluginSet;

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
    /// Pods that wait for the cluster to change, by who refused them.
    waiting: BTreeMap<PluginSet, BTreeSet<String>>,
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
    Waiting(PluginSet),
    /// Popped: somebody is deciding on it or binding it.
    Trying,
}

impl Queue {
    /// Adds a pod, or takes its new state: a pod that changed is tried again, because the change may be what it needed.
    pub fn add(&mut self, pod: Arc<PodRequest>) {
        let uid = pod.uid.clone();
        match self.pods.get_mut(&uid) {
            Some(entry) => entry.pod = pod,
            None => {
                self.pods.insert(uid.clone(), Entry { pod, attempts: 0, last_attempt: None, place: Place::Trying });
                return self.activate(&uid);
            }
        }
        self.activate_waiting(&uid);
    }

    /// Takes the new state of a pod whose change decides nothing.
    pub fn refresh(&mut self, pod: Arc<PodRequest>) {
        if let Some(entry) = self.pods.get_mut(&pod.uid) {
            entry.pod = pod;
        }
    }

    /// The pod as last seen, if it is known.
    pub fn get(&self, uid: &str) -> Option<&Arc<PodRequest>> {
        self.pods.get(uid).map(|entry| &entry.pod)
    }

    /// Tries a pod that waits at once: the room that was being made for it went to another.
    pub fn activate_waiting(&mut self, uid: &str) {
        if let Some(Place::Waiting(refused_by)) = self.pods.get(uid).map(|entry| entry.place.clone()) {
            self.stop_waiting(refused_by, uid);
            self.activate(uid);
        }
    }

    /// Forgets a pod: bound, deleted, or no longer ours. Returns whether it was there.
    pub fn remove(&mut self, uid: &str) -> bool {
        let Some(entry) = self.pods.remove(uid) else { return false };
        match entry.place {
            Place::Active(turn) => drop(self.active.remove(&turn)),
            Place::Backoff(due) => drop(self.backoff.remove(&due)),
            Place::Waiting(refused_by) => self.stop_waiting(refused_by, uid),
            Place::Trying => {}
        }
        true
    }

    /// The next pod to try.
    pub fn pop(&mut self, now: Instant) -> Option<Arc<PodRequest>> {
        self.end_backoffs(now);
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

    /// The pod fits nowhere; `refused_by` are asked of what happens whether it can help.
    pub fn wait(&mut self, uid: &str, refused_by: PluginSet) {
        if let Some(entry) = self.pods.get_mut(uid) {
            entry.place = Place::Waiting(refused_by);
            self.waiting.entry(refused_by).or_default().insert(uid.to_owned());
        }
    }

    /// Trying failed for a reason outside the cluster's state (the binding was refused or lost): again after a while.
    pub fn retry(&mut self, uid: &str) {
        self.back_off(uid);
    }

    /// Something happened: pods that `helps` says it can help are tried again once their backoff is over.
    pub fn wake(&mut self, helps: impl Fn(&PodRequest, PluginSet) -> bool) {
        let mut helped = Vec::new();
        for (refused_by, uids) in &self.waiting {
            let is_helped = |uid: &&String| self.pods.get(*uid).is_some_and(|entry| helps(&entry.pod, *refused_by));
            helped.extend(uids.iter().filter(is_helped).map(|uid| (*refused_by, uid.clone())));
        }
        for (refused_by, uid) in helped {
            self.stop_waiting(refused_by, &uid);
            self.back_off(&uid);
        }
    }

    /// Whether no pod waits for the cluster to change.
    pub fn nobody_waits(&self) -> bool {
        self.waiting.is_empty()
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

    fn stop_waiting(&mut self, refused_by: PluginSet, uid: &str) {
        if let Some(uids) = self.waiting.get_mut(&refused_by) {
            uids.remove(uid);
            if uids.is_empty() {
                self.waiting.remove(&refused_by);
            }
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

    fn end_backoffs(&mut self, now: Instant) {
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
        queue.wait("a", 0b10);
        queue.wake(|_, refused_by| refused_by & 1 != 0);
        assert_eq!((popped(&mut queue, now), queue.next_due()), (None, None));
        queue.wake(|pod, refused_by| pod.uid == "a" && refused_by == 0b10);
        assert!(queue.nobody_waits());
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
        queue.wait("a", 1);
        queue.add(pod("a", 5));
        assert_eq!(popped(&mut queue, now), Some("a".into()));
        queue.retry("a");
        assert!(queue.remove("a") && queue.is_empty() && queue.next_due().is_none());
    }
}

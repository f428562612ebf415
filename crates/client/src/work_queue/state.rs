//! The queue as plain data.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use tokio::time::Instant;

use super::Key;

pub(super) struct State<T> {
    /// Ready, in the order added.
    ready: VecDeque<T>,
    /// Wanted: in `ready`, or to be put there when its worker is done.
    dirty: HashSet<T>,
    /// In a worker's hands.
    processing: HashSet<T>,
    /// When each delayed key is due, and the same by time.
    due: HashMap<T, Instant>,
    by_time: BTreeSet<(Instant, T)>,
    /// Delayed because they rest: adding one of them changes nothing.
    resting: HashSet<T>,
    failures: BTreeMap<T, u32>,
    shut_down: bool,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            dirty: HashSet::new(),
            processing: HashSet::new(),
            due: HashMap::new(),
            by_time: BTreeSet::new(),
            resting: HashSet::new(),
            failures: BTreeMap::new(),
            shut_down: false,
        }
    }
}

impl<T: Key> State<T> {
    /// Returns whether a worker has something new to take.
    pub(super) fn add(&mut self, key: T) -> bool {
        if self.shut_down || self.resting.contains(&key) {
            return false;
        }
        if !self.dirty.insert(key.clone()) || self.processing.contains(&key) {
            return false;
        }
        self.ready.push_back(key);
        true
    }

    /// Returns whether the workers have to look at the time again.
    pub(super) fn add_at(&mut self, key: T, due: Instant) -> bool {
        if self.shut_down {
            return false;
        }
        if let Some(known) = self.due.get(&key).copied() {
            if known <= due {
                return false;
            }
            self.by_time.remove(&(known, key.clone()));
        }
        let earlier = self.earliest().is_none_or(|earliest| due < earliest);
        self.due.insert(key.clone(), due);
        self.by_time.insert((due, key));
        earlier
    }

    /// Hands out the next ready key, after making ready what is due by `now`.
    pub(super) fn take(&mut self, now: Instant) -> Option<T> {
        while self.earliest().is_some_and(|due| due <= now) {
            let (_, key) = self.by_time.pop_first().expect("an earliest key exists");
            self.due.remove(&key);
            self.resting.remove(&key);
            self.add(key);
        }
        let key = self.ready.pop_front()?;
        self.dirty.remove(&key);
        self.processing.insert(key.clone());
        Some(key)
    }

    /// Takes a key out of a worker's hands. If it was added meanwhile it is ready again, at once or after its rest. Returns whether the
    /// workers have to look again.
    pub(super) fn done(&mut self, key: &T, rest_until: Option<Instant>) -> bool {
        self.processing.remove(key);
        if !self.dirty.contains(key) {
            return false;
        }
        match rest_until {
            None => {
                self.ready.push_back(key.clone());
                true
            }
            Some(until) => {
                self.dirty.remove(key);
                self.resting.insert(key.clone());
                self.add_at(key.clone(), until)
            }
        }
    }

    pub(super) fn earliest(&self) -> Option<Instant> {
        self.by_time.first().map(|(due, _)| *due)
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.processing.is_empty()
    }

    /// Counts one more failure; returns how many there were before.
    pub(super) fn failed(&mut self, key: &T) -> u32 {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        let before = *failures;
        *failures = before.saturating_add(1);
        before
    }

    pub(super) fn failures(&self, key: &T) -> u32 {
        self.failures.get(key).copied().unwrap_or(0)
    }

    pub(super) fn forget(&mut self, key: &T) {
        self.failures.remove(key);
    }

    pub(super) fn shut_down(&mut self) {
        self.shut_down = true;
        self.due.clear();
        self.by_time.clear();
        self.resting.clear();
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.shut_down
    }
}

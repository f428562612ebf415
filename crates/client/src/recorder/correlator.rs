//! Which event an occurrence becomes: a new one, one more of an earlier one, or none. Pure.
//!
//! Numbers and order of the steps as client-go's `tools/record/events_cache.go`. What is remembered of an event is a hash of what it says:
//! thousands are, and two that meet would be counted as one, no more.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};

use super::Occurrence;

/// More differing messages than this for one object, type and reason are combined.
const SIMILAR: usize = 10;
/// What happened longer ago than this is not similar any more.
const INTERVAL: SignedDuration = SignedDuration::from_mins(10);
/// What one object may cause at once, and how often it may go on.
const BURST: f64 = 25.0;
const REFILL_SECONDS: f64 = 300.0;
/// The objects and events remembered; the least recently seen are forgotten first.
const REMEMBERED: usize = 4096;

/// A hash of the object concerned, with type and reason: what may be combined; with a message too: what is the same event.
type Key = u64;

/// The answer: what to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) message: String,
    pub(super) first: Timestamp,
    pub(super) count: i32,
    /// The name of the event object to count up; `None`: make a new one.
    pub(super) existing: Option<String>,
    key: Key,
}

#[derive(Default)]
pub(super) struct Correlator {
    similar: Recent<Key, Similar>,
    written: Recent<Key, Written>,
    budgets: Recent<Key, Budget>,
}

struct Similar {
    messages: BTreeSet<Key>,
    last: Timestamp,
}

#[derive(Clone)]
struct Written {
    name: String,
    first: Timestamp,
    count: i32,
}

struct Budget {
    left: f64,
    at: Timestamp,
}

impl Correlator {
    /// Judges one occurrence. `None`: its object has used up its budget.
    pub(super) fn judge(&mut self, occurrence: &Occurrence) -> Option<Verdict> {
        let (key, message) = self.combine(occurrence);
        let verdict = match self.written.get(&key) {
            Some(written) => Verdict {
                message,
                first: written.first,
                count: written.count.saturating_add(1),
                existing: Some(written.name.clone()),
                key,
            },
            None => Verdict { message, first: occurrence.at, count: 1, existing: None, key },
        };
        self.affordable(occurrence).then_some(verdict)
    }

    /// Remembers under which name the verdict was written.
    pub(super) fn written(&mut self, verdict: Verdict, name: String) {
        let Verdict { first, count, key, .. } = verdict;
        self.written.insert(key, Written { name, first, count });
    }

    fn combine(&mut self, occurrence: &Occurrence) -> (Key, String) {
        let about = about(occurrence);
        let subject = hash(&(about, occurrence.event_type, &occurrence.reason));
        let fresh = || Similar { messages: BTreeSet::new(), last: occurrence.at };
        let similar = self.similar.get_or_insert_with(&subject, fresh);
        if occurrence.at.duration_since(similar.last) > INTERVAL {
            similar.messages.clear();
        }
        similar.last = occurrence.at;
        similar.messages.insert(hash(&occurrence.message));
        if similar.messages.len() < SIMILAR {
            return (hash(&(subject, &occurrence.message)), occurrence.message.clone());
        }
        similar.messages.pop_first();
        (subject, format!("(combined from similar events): {}", occurrence.message))
    }

    fn affordable(&mut self, occurrence: &Occurrence) -> bool {
        let fresh = || Budget { left: BURST, at: occurrence.at };
        let budget = self.budgets.get_or_insert_with(&about(occurrence), fresh);
        let elapsed = occurrence.at.duration_since(budget.at).as_secs_f64().max(0.0);
        budget.left = (budget.left + elapsed / REFILL_SECONDS).min(BURST);
        budget.at = occurrence.at;
        if budget.left < 1.0 {
            return false;
        }
        budget.left -= 1.0;
        true
    }
}

fn about(occurrence: &Occurrence) -> Key {
    let about = &occurrence.about;
    hash(&(&about.kind, &about.namespace, &about.name, &about.uid, &about.field_path))
}

fn hash(value: &impl Hash) -> Key {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A map that forgets what was not used for longest.
struct Recent<K, V> {
    entries: BTreeMap<K, (u64, V)>,
    by_use: BTreeMap<u64, K>,
    uses: u64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }
}

impl<K: Ord + Clone, V> Recent<K, V> {
    fn get(&mut self, key: &K) -> Option<&mut V> {
        self.uses += 1;
        let (used, value) = self.entries.get_mut(key)?;
        let key = self.by_use.remove(used).expect("every entry has its last use");
        *used = self.uses;
        self.by_use.insert(self.uses, key);
        Some(value)
    }

    fn insert(&mut self, key: K, value: V) {
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        if let Some((used, _)) = self.entries.insert(key, (self.uses, value)) {
            self.by_use.remove(&used);
        }
        if self.entries.len() > REMEMBERED
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }

    fn get_or_insert_with(&mut self, key: &K, value: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(key) {
            self.insert(key.clone(), value());
        }
        self.get(key).expect("it was inserted when absent")
    }
}

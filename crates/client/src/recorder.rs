//! Events about objects, as `kubectl describe` and `kubectl get events` show them.
//!
//! Recording never waits: what does not fit in the queue is dropped and counted. Repeats become one event with a count, near-repeats
//! one "combined" event, and a noisy object is held to a budget, all as client-go's `tools/record` does it.

mod correlator;
#[cfg(test)]
mod tests;
mod writer;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sampan_api::k8s::api::core::v1::ObjectReference;
use sampan_meta::{Clock, Entropy};
use tokio::sync::mpsc;

use crate::{Client, Resource};
use writer::Writer;

/// The events that may wait to be written, per writer.
const QUEUE: usize = 1000;
/// Events of different objects are written side by side, those of one object in order.
const WRITERS: u64 = 4;

/// Whether an event is good news or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// For information.
    Normal,
    /// Something to look after.
    Warning,
}

impl EventType {
    /// The word in the event's `type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What somebody wants recorded.
#[derive(Debug, Clone)]
struct Occurrence {
    about: ObjectReference,
    event_type: EventType,
    reason: String,
    message: String,
    at: jiff::Timestamp,
}

/// Who records: the `source` of events.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Reporter {
    component: String,
    instance: String,
}

/// Records events in the name of one component. Cloning shares its queue and its memory of repeats.
#[derive(Clone)]
pub struct Recorder {
    queues: Arc<[mpsc::Sender<Occurrence>]>,
    dropped: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl Recorder {
    /// Starts the writers, on tasks of the current tokio runtime that end with the last clone. `component` is what `kubectl describe`
    /// shows as "From" (`deployment-controller`, `kubelet`); `host` is the node for parts that run on each, empty otherwise.
    pub fn new(
        client: &Client,
        component: &str,
        host: &str,
        clock: Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
    ) -> Self {
        let reporter = Reporter { component: component.to_owned(), instance: host.to_owned() };
        let start_writer = |_| {
            let (sender, receiver) = mpsc::channel(QUEUE);
            tokio::spawn(Writer::new(client.clone(), reporter.clone(), entropy.clone()).run(receiver));
            sender
        };
        Self { queues: (0..WRITERS).map(start_writer).collect(), dropped: Arc::default(), clock }
    }

    /// Records that something happened to an object: `reason` in CamelCase for machines, `message` for people.
    pub fn event(&self, about: &ObjectReference, event_type: EventType, reason: &str, message: impl Into<String>) {
        let occurrence = Occurrence {
            about: about.clone(),
            event_type,
            reason: reason.to_owned(),
            message: message.into(),
            at: self.clock.now(),
        };
        if self.queue_of(about).try_send(occurrence).is_err() {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed);
            if dropped.is_power_of_two() || dropped == 0 {
                tracing::warn!(dropped = dropped + 1, "events are dropped: the queue to the apiserver is full");
            }
        }
    }

    /// Records good news about a typed object.
    pub fn normal<K: Resource<DynamicType = ()>>(&self, about: &K, reason: &str, message: impl Into<String>) {
        self.event(&reference(about), EventType::Normal, reason, message);
    }

    /// Records bad news about a typed object.
    pub fn warning<K: Resource<DynamicType = ()>>(&self, about: &K, reason: &str, message: impl Into<String>) {
        self.event(&reference(about), EventType::Warning, reason, message);
    }

    /// How many events were dropped because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn queue_of(&self, about: &ObjectReference) -> &mpsc::Sender<Occurrence> {
        let mut hasher = DefaultHasher::new();
        (&about.kind, &about.namespace, &about.name).hash(&mut hasher);
        let writer = usize::try_from(hasher.finish() % WRITERS).expect("there are few writers");
        &self.queues[writer]
    }
}

/// What an event says it is about.
#[must_use]
pub fn reference<K: Resource<DynamicType = ()>>(object: &K) -> ObjectReference {
    let meta = object.meta();
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        field_path: None,
    }
}

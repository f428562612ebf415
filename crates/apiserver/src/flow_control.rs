//! Overload protection: API Priority and Fairness (KEP-1040, apiserver `pkg/util/flowcontrol`).
//!
//! A flow schema says which priority level a request belongs to and which flow of it. Every level has seats of its own; who finds them taken
//! waits in one of the level's queues, from which requests are taken so that flows get equal work done. A full queue, or too long a wait,
//! is a 429.
//!
//! | module | holds |
//! |---|---|
//! | `config` | levels and schemas as data, read from objects |
//! | `matching`, `estimate` | which schema a request falls under, and how many seats it takes |
//! | `deal`, `queues` | shuffle sharding and fair queues of one level, under a time that is given |
//! | `levels` | the seats of all levels, and who may borrow whose |
//!
//! What differs from upstream: seats are borrowed when they are asked for, not by a plan made every ten seconds, so that nothing runs while
//! nobody asks; and what a write costs its watchers is charged as seats while it runs, not as seats held after it.

mod config;
mod deal;
mod estimate;
mod levels;
mod matching;
mod queues;
mod report;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use sampan_api::request::Attributes;
use sampan_meta::Status;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::metrics::Page;
pub(crate) use config::Configuration;
pub(crate) use estimate::Demand;
use levels::{Arrival, Levels, Ticket};
use matching::Found;

/// How much goes on at once and how long it may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Reads at once; only the sum of reads and writes counts: it is shared out among the priority levels.
    pub reads: usize,
    /// Writes at once.
    pub writes: usize,
    /// How long a request waits for a seat: a quarter of `request`, as upstream.
    pub wait: Duration,
    /// How long any request but watches, logs and proxies may take.
    pub request: Duration,
    /// Bytes of a request body.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reads: 400,
            writes: 200,
            wait: Duration::from_secs(15),
            request: Duration::from_secs(60),
            body: 3 * 1024 * 1024,
        }
    }
}

/// Hands out seats to requests.
pub(crate) struct FlowControl {
    generation: Mutex<Arc<Generation>>,
    /// The version of the objects that the generation was read from.
    version: Mutex<u64>,
    seats: u32,
    wait: Duration,
    began: Instant,
}

/// All that follows from one configuration. Requests that were admitted under an older one run to their end under that.
struct Generation {
    configuration: Configuration,
    state: Mutex<State>,
}

struct State {
    levels: Levels,
    waiting: BTreeMap<Ticket, oneshot::Sender<()>>,
}

/// A place among the requests being answered, or in the queue for one; given back when dropped.
pub(crate) struct Seat {
    generation: Arc<Generation>,
    ticket: Ticket,
    began: Instant,
}

/// What became of an arriving request.
enum Arrived {
    Exempt,
    Refused,
    Seated(Seat),
    Queued(Seat, oneshot::Receiver<()>),
}

/// The schema and level of a request, as the answer's headers name them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Classified {
    pub(crate) schema_uid: String,
    pub(crate) level_uid: String,
}

impl Classified {
    /// Says under what the request fell. What is built in and not in any object has no uid to be named by.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        const SCHEMA: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
        const LEVEL: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");
        for (name, uid) in [(SCHEMA, &self.schema_uid), (LEVEL, &self.level_uid)] {
            if let Some(value) = HeaderValue::from_str(uid).ok().filter(|value| !value.is_empty()) {
                headers.insert(name, value);
            }
        }
    }
}

impl FlowControl {
    /// Begins with the configuration every cluster has.
    pub(crate) fn new(limits: &Limits) -> Self {
        let seats = u32::try_from(limits.reads + limits.writes).unwrap_or(u32::MAX);
        let generation = Mutex::new(Generation::new(Configuration::bootstrap(), seats));
        Self { generation, version: Mutex::new(0), seats, wait: limits.wait, began: Instant::now() }
    }

    /// Takes the configuration for the requests from now on from objects, if they have changed since.
    pub(crate) fn follow(&self, version: u64, read: impl FnOnce() -> Configuration) {
        let mut known = lock(&self.version);
        if *known != version {
            self.configure(read());
            *known = version;
        }
    }

    /// Takes another configuration for the requests from now on.
    fn configure(&self, configuration: Configuration) {
        *lock(&self.generation) = Generation::new(configuration, self.seats);
    }

    /// Waits for a seat. The classification is told whatever the outcome; an error is a 429.
    pub(crate) async fn enter(
        &self,
        request: &Attributes,
        demand: Demand,
    ) -> (Classified, Result<Option<Seat>, Status>) {
        let generation = Arc::clone(&lock(&self.generation));
        let Some(found) = generation.configuration.classify(request) else {
            // Everybody is in one of the two groups of the mandatory catch-all schema.
            return (Classified::default(), Err(too_many()));
        };
        let classified = generation.configuration.uids(&found);
        let outcome = match self.arrive(&generation, &found, demand) {
            Arrived::Exempt => Ok(None),
            Arrived::Refused => Err(too_many()),
            Arrived::Seated(seat) => Ok(Some(seat)),
            Arrived::Queued(seat, called) => self.wait_for(seat, called).await.map(Some),
        };
        (classified, outcome)
    }

    fn arrive(&self, generation: &Arc<Generation>, found: &Found, demand: Demand) -> Arrived {
        let mut state = lock(&generation.state);
        let seats = demand.seats(state.levels.widest(found.level));
        let arrival = state.levels.arrive(self.began.elapsed(), found, seats);
        let seat = |ticket| Seat { generation: Arc::clone(generation), ticket, began: self.began };
        match arrival {
            Arrival::Exempt => Arrived::Exempt,
            Arrival::Refused => Arrived::Refused,
            Arrival::Admitted(ticket) => Arrived::Seated(seat(ticket)),
            Arrival::Queued(ticket) => {
                let (sender, called) = oneshot::channel();
                state.waiting.insert(ticket, sender);
                Arrived::Queued(seat(ticket), called)
            }
        }
    }

    async fn wait_for(&self, seat: Seat, called: oneshot::Receiver<()>) -> Result<Seat, Status> {
        let called = tokio::time::timeout(self.wait, called).await.is_ok();
        let gave_up = !called && lock(&seat.generation.state).levels.time_out(self.began.elapsed(), seat.ticket);
        if gave_up { Err(too_many()) } else { Ok(seat) }
    }

    /// The metrics of all levels.
    pub(crate) fn report(&self, page: &mut Page) {
        let generation = Arc::clone(&lock(&self.generation));
        let state = lock(&generation.state);
        report::write(page, &generation.configuration, &state.levels);
    }
}

impl Generation {
    fn new(configuration: Configuration, seats: u32) -> Arc<Self> {
        let levels = Levels::new(&configuration, seats);
        Arc::new(Self { configuration, state: Mutex::new(State { levels, waiting: BTreeMap::new() }) })
    }
}

impl State {
    /// Calls those who were admitted.
    fn wake(&mut self, started: Vec<Ticket>) {
        for ticket in started {
            if let Some(sender) = self.waiting.remove(&ticket) {
                // Who does not hear it any more gives the seat back by itself.
                let _ = sender.send(());
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = lock(&self.generation.state);
        state.waiting.remove(&self.ticket);
        let started = state.levels.end(self.began.elapsed(), self.ticket);
        state.wake(started);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn too_many() -> Status {
    Status::too_many_requests("Too many requests, please try again later.", 1)
}

#[cfg(test)]
mod tests;

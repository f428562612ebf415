//! The seats of all levels: who takes one, who waits, who is next. Pure: time is given, and nobody is called.
//!
//! A level has seats in proportion to its shares (`nominal`) and keeps some of them for itself whatever happens (`lower`). Beyond those it
//! takes seats as long as what every other level keeps stays free. A seat that becomes free goes to levels within their own seats first.

use std::collections::BTreeMap;
use std::time::Duration;

use super::config::{Configuration, PriorityLevel};
use super::matching::Found;
use super::queues::Queues;

/// The name of a request that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// What becomes of a request that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It needs no seat.
    Exempt,
    Admitted(Ticket),
    Queued(Ticket),
    Refused,
}

/// Why a request was refused, as upstream's metrics say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    QueueFull,
    ConcurrencyLimit,
    TimeOut,
    Cancelled,
}

/// What happened to the requests of a schema in a level.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) dispatched: u64,
    pub(super) refused: BTreeMap<Reason, u64>,
    pub(super) running: u64,
    pub(super) running_seats: u64,
    pub(super) waiting: u64,
    pub(super) waited: Duration,
    pub(super) ran: Duration,
    pub(super) ended: u64,
}

/// The seats of one level.
#[derive(Debug)]
pub(super) struct Level {
    /// Its own by its shares.
    pub(super) nominal: u32,
    /// Those it does not lend.
    pub(super) lower: u32,
    /// The most it may use, with what it borrows.
    pub(super) upper: u32,
    pub(super) in_use: u32,
    running: usize,
    exempt: bool,
    queues: Option<Queues>,
}

/// All levels, and the requests in them.
#[derive(Debug)]
pub(super) struct Levels {
    levels: Vec<Level>,
    total: u32,
    requests: BTreeMap<Ticket, Request>,
    next: u64,
    /// By level and schema.
    pub(super) counts: BTreeMap<(usize, usize), Counts>,
}

#[derive(Debug)]
struct Request {
    level: usize,
    schema: usize,
    seats: u32,
    queue: Option<usize>,
    arrived: Duration,
    /// When it was admitted.
    began: Option<Duration>,
}

impl Levels {
    /// Shares `total` seats out.
    pub(super) fn new(configuration: &Configuration, total: u32) -> Self {
        let shares =
            configuration.levels.iter().filter_map(|level| level.limited.as_ref()).map(|limited| limited.shares);
        let shares = shares.sum::<u32>().max(1);
        let levels: Vec<Level> = configuration.levels.iter().map(|level| Level::new(level, total, shares)).collect();
        // Every level keeps at least one seat, so that very few seats are a few more.
        let total = total.max(levels.iter().map(|level| level.lower).sum());
        Self { levels, total, requests: BTreeMap::new(), next: 0, counts: BTreeMap::new() }
    }

    pub(super) fn level(&self, index: usize) -> &Level {
        &self.levels[index]
    }

    /// The most seats one request of a level may take: 15 % of the level's own.
    pub(super) fn widest(&self, level: usize) -> u32 {
        (self.levels[level].nominal * 15 / 100).max(1)
    }

    /// Takes a request in, or refuses it.
    pub(super) fn arrive(&mut self, now: Duration, found: &Found, seats: u32) -> Arrival {
        let &Found { level, schema, hash } = found;
        if self.levels[level].exempt {
            self.counts(level, schema).dispatched += 1;
            return Arrival::Exempt;
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        let has_room = self.may_take(level, seats);
        let queue = match &mut self.levels[level].queues {
            None if !has_room => return self.refuse(level, schema, Reason::ConcurrencyLimit),
            None => None,
            Some(queues) => {
                let Some(queue) = queues.choose(hash, has_room) else {
                    return self.refuse(level, schema, Reason::QueueFull);
                };
                Some(queue)
            }
        };
        self.requests.insert(ticket, Request { level, schema, seats, queue, arrived: now, began: None });
        self.counts(level, schema).waiting += 1;
        match queue {
            None => self.begin(now, ticket),
            Some(queue) => self.enqueue(now, level, queue, ticket, seats),
        }
        let began = self.requests.get(&ticket).is_some_and(|request| request.began.is_some());
        if began { Arrival::Admitted(ticket) } else { Arrival::Queued(ticket) }
    }

    /// Puts a request into its queue; if its turn has come it begins at once. Nobody else's can come by an arrival.
    fn enqueue(&mut self, now: Duration, level: usize, queue: usize, ticket: Ticket, seats: u32) {
        self.advance(now, level);
        if let Some(queues) = &mut self.levels[level].queues {
            queues.push(queue, ticket, seats);
            let is_next = queues.next().is_some_and(|(next, _)| next == queue) && queues.front(queue) == Some(ticket);
            if is_next && self.may_take(level, seats) {
                self.start(now, level, queue);
            }
        }
    }

    /// Ends a request, whether it ran or still waited, and says who begins now.
    pub(super) fn end(&mut self, now: Duration, ticket: Ticket) -> Vec<Ticket> {
        match self.requests.get(&ticket).map(|request| request.began) {
            None => return Vec::new(),
            Some(None) => self.leave(now, ticket, Reason::Cancelled),
            Some(Some(began)) => self.finish(now, ticket, now.saturating_sub(began)),
        }
        self.dispatch(now)
    }

    /// Gives up on a request that still waits; false if it has begun in the meantime.
    pub(super) fn time_out(&mut self, now: Duration, ticket: Ticket) -> bool {
        let waits = self.requests.get(&ticket).is_some_and(|request| request.began.is_none());
        if waits {
            self.leave(now, ticket, Reason::TimeOut);
        }
        waits
    }

    fn leave(&mut self, now: Duration, ticket: Ticket, reason: Reason) {
        let Some(Request { level, schema, queue, .. }) = self.requests.remove(&ticket) else { return };
        self.advance(now, level);
        if let (Some(queues), Some(queue)) = (&mut self.levels[level].queues, queue) {
            queues.remove(queue, ticket);
        }
        let counts = self.counts(level, schema);
        counts.waiting -= 1;
        *counts.refused.entry(reason).or_default() += 1;
    }

    fn finish(&mut self, now: Duration, ticket: Ticket, took: Duration) {
        let Some(Request { level, schema, seats, queue, .. }) = self.requests.remove(&ticket) else { return };
        self.advance(now, level);
        let own = &mut self.levels[level];
        own.in_use -= seats;
        own.running -= 1;
        if let (Some(queues), Some(queue)) = (&mut own.queues, queue) {
            queues.finish(queue, seats, took);
        }
        let counts = self.counts(level, schema);
        counts.running -= 1;
        counts.running_seats -= u64::from(seats);
        counts.ran += took;
        counts.ended += 1;
    }

    /// Begins as many requests as there are seats: first in levels within their own seats, then in those that borrow, in turn.
    fn dispatch(&mut self, now: Duration) -> Vec<Ticket> {
        let mut started = Vec::new();
        for borrowing in [false, true] {
            loop {
                let before = started.len();
                (0..self.levels.len()).for_each(|level| started.extend(self.dispatch_one(now, level, borrowing)));
                if started.len() == before {
                    break;
                }
            }
        }
        started
    }

    fn dispatch_one(&mut self, now: Duration, level: usize, borrowing: bool) -> Option<Ticket> {
        let (queue, seats) = self.levels[level].queues.as_ref()?.next()?;
        let own = &self.levels[level];
        let within = borrowing || own.in_use + seats <= own.nominal;
        if !within || !self.may_take(level, seats) {
            return None;
        }
        self.advance(now, level);
        self.start(now, level, queue)
    }

    fn start(&mut self, now: Duration, level: usize, queue: usize) -> Option<Ticket> {
        let head = self.levels[level].queues.as_mut()?.pop(queue)?;
        self.begin(now, head.ticket);
        Some(head.ticket)
    }

    fn begin(&mut self, now: Duration, ticket: Ticket) {
        let Some(request) = self.requests.get_mut(&ticket) else { return };
        request.began = Some(now);
        let (level, schema, seats, waited) =
            (request.level, request.schema, request.seats, now.saturating_sub(request.arrived));
        self.levels[level].in_use += seats;
        self.levels[level].running += 1;
        let counts = self.counts(level, schema);
        counts.waiting -= 1;
        counts.dispatched += 1;
        counts.running += 1;
        counts.running_seats += u64::from(seats);
        counts.waited += waited;
    }

    /// Whether a level may use so many seats more.
    fn may_take(&self, level: usize, seats: u32) -> bool {
        let own = &self.levels[level];
        let after = own.in_use.saturating_add(seats);
        // One that is wider than all there is must run some time.
        if own.running == 0 || after <= own.lower {
            return true;
        }
        let others = self.levels.iter().enumerate().filter(|(index, _)| *index != level);
        let others: u32 = others.map(|(_, other)| other.in_use.max(other.lower)).sum();
        after <= own.upper && others.saturating_add(after) <= self.total
    }

    fn advance(&mut self, now: Duration, level: usize) {
        let own = &mut self.levels[level];
        if let Some(queues) = &mut own.queues {
            queues.advance(now, own.nominal.max(own.in_use));
        }
    }

    fn refuse(&mut self, level: usize, schema: usize, reason: Reason) -> Arrival {
        *self.counts(level, schema).refused.entry(reason).or_default() += 1;
        Arrival::Refused
    }

    fn counts(&mut self, level: usize, schema: usize) -> &mut Counts {
        self.counts.entry((level, schema)).or_default()
    }
}

impl Level {
    fn new(level: &PriorityLevel, total: u32, shares: u32) -> Self {
        let Some(limited) = &level.limited else {
            return Self { nominal: 0, lower: 0, upper: total, in_use: 0, running: 0, exempt: true, queues: None };
        };
        let part = u64::from(total) * u64::from(limited.shares);
        let nominal = u32::try_from(part.div_ceil(u64::from(shares))).unwrap_or(u32::MAX).max(1);
        // Rounded, as upstream does.
        let hundredths =
            |percent: u32| u32::try_from((u64::from(nominal) * u64::from(percent) + 50) / 100).unwrap_or(u32::MAX);
        let lent = hundredths(limited.lendable_percent.min(100));
        Self {
            nominal,
            lower: (nominal - lent).max(1),
            upper: limited.borrowing_limit_percent.map_or(total, |percent| nominal.saturating_add(hundredths(percent))),
            in_use: 0,
            running: 0,
            exempt: false,
            queues: limited.queuing.map(Queues::new),
        }
    }
}

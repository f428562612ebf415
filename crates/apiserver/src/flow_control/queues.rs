//! Fair queues of one level, under a time that is given (apiserver `pkg/util/flowcontrol/fairqueuing/queueset`).
//!
//! Every queue with work would get an equal part of the level's seats if seats could be divided. A virtual clock runs at that part's speed:
//! a queue's `next` is its reading when the queue's next request would begin. The request that would end first is next.

use std::collections::VecDeque;
use std::time::Duration;

use super::config::Queuing;
use super::deal;
use super::levels::Ticket;

/// What a request is thought to take before it ran, in seconds (`estimatedServiceDuration`).
const ESTIMATE: f64 = 0.003;

/// The queues of a level.
#[derive(Debug)]
pub(super) struct Queues {
    queues: Vec<Queue>,
    /// How many requests wait in all of them: mostly none, which is said without looking at each.
    waiting: usize,
    queuing: Queuing,
    /// Where the search for the next begins, so that equal queues take turns.
    turn: usize,
    arrivals: usize,
    /// The virtual clock, in seat-seconds, and when it was last set.
    clock: f64,
    set: Duration,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    running: usize,
    running_seats: u32,
    /// In terms of the virtual clock.
    next: f64,
}

/// A request in a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) seats: u32,
    arrived: f64,
}

impl Queues {
    pub(super) fn new(queuing: Queuing) -> Self {
        let queues = (0..queuing.queues.max(1)).map(|_| Queue::default()).collect();
        Self { queues, waiting: 0, queuing, turn: 0, arrivals: 0, clock: 0.0, set: Duration::ZERO }
    }

    /// Sets the virtual clock. Called before anything changes; `seats`: what the level may use at once.
    pub(super) fn advance(&mut self, now: Duration, seats: u32) {
        let passed = now.saturating_sub(self.set).as_secs_f64();
        self.set = self.set.max(now);
        let active: Vec<&Queue> = self.queues.iter().filter(|queue| queue.is_active()).collect();
        if !active.is_empty() {
            let wanted: u32 = active.iter().map(|queue| queue.running_seats + queue.waiting_seats()).sum();
            self.clock += passed * f64::from(wanted.min(seats)) / active.len() as f64;
        }
    }

    /// The queue of a flow's hand in which the least work waits. `None`: it is full as well.
    pub(super) fn choose(&mut self, hash: u64, may_queue: bool) -> Option<usize> {
        let hand = deal::hand(hash, self.queues.len(), self.queuing.hand_size);
        let begin = self.arrivals % hand.len();
        self.arrivals = self.arrivals.wrapping_add(1);
        let order = hand.iter().cycle().skip(begin).take(hand.len()).copied();
        let chosen = order.min_by_key(|index| self.queues[*index].waiting_seats())?;
        (may_queue || self.queues[chosen].waiting.len() < self.queuing.length_limit).then_some(chosen)
    }

    pub(super) fn push(&mut self, index: usize, ticket: Ticket, seats: u32) {
        let queue = &mut self.queues[index];
        if !queue.is_active() {
            queue.next = self.clock;
        }
        queue.waiting.push_back(Waiting { ticket, seats, arrived: self.clock });
        self.waiting += 1;
        queue.bound();
    }

    /// The queue whose oldest request is next, and the seats that takes.
    pub(super) fn next(&self) -> Option<(usize, u32)> {
        if self.waiting == 0 {
            return None;
        }
        let count = self.queues.len();
        let heads = (0..count).map(|step| (self.turn + step) % count).filter_map(|index| {
            let queue = &self.queues[index];
            queue.waiting.front().map(|head| (index, head.seats, queue.next + f64::from(head.seats) * ESTIMATE))
        });
        heads.min_by(|one, other| one.2.total_cmp(&other.2)).map(|(index, seats, _)| (index, seats))
    }

    /// The oldest request of a queue.
    pub(super) fn front(&self, index: usize) -> Option<Ticket> {
        self.queues[index].waiting.front().map(|head| head.ticket)
    }

    /// Takes the oldest request out of a queue to run.
    pub(super) fn pop(&mut self, index: usize) -> Option<Waiting> {
        let queue = &mut self.queues[index];
        let head = queue.waiting.pop_front()?;
        self.waiting -= 1;
        queue.running += 1;
        queue.running_seats += head.seats;
        queue.next += f64::from(head.seats) * ESTIMATE;
        queue.bound();
        self.turn = (index + 1) % self.queues.len();
        Some(head)
    }

    /// Notes that a request ended after this time: what it truly took counts, not what was thought.
    pub(super) fn finish(&mut self, index: usize, seats: u32, took: Duration) {
        let queue = &mut self.queues[index];
        queue.running = queue.running.saturating_sub(1);
        queue.running_seats = queue.running_seats.saturating_sub(seats);
        queue.next -= f64::from(seats) * (ESTIMATE - took.as_secs_f64());
        queue.bound();
    }

    /// Takes a request that waits no longer out of its queue.
    pub(super) fn remove(&mut self, index: usize, ticket: Ticket) {
        let queue = &mut self.queues[index];
        let before = queue.waiting.len();
        queue.waiting.retain(|waiting| waiting.ticket != ticket);
        self.waiting -= before - queue.waiting.len();
        queue.bound();
    }
}

impl Queue {
    fn is_active(&self) -> bool {
        self.running > 0 || !self.waiting.is_empty()
    }

    fn waiting_seats(&self) -> u32 {
        self.waiting.iter().map(|waiting| waiting.seats).sum()
    }

    /// Nobody begins before arriving: an idle queue saves no time up.
    fn bound(&mut self) {
        if let Some(head) = self.waiting.front().filter(|_| self.running == 0) {
            self.next = self.next.max(head.arrived);
        }
    }
}

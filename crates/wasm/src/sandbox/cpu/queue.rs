//! The weighted fair queue before the CPUs.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;

/// Guests of many containers before a few CPUs.
pub(super) struct Queue(Mutex<State>);

struct State {
    free: usize,
    members: HashMap<u64, Account>,
    /// Members with someone waiting, least served first.
    order: BTreeSet<(u64, u64)>,
    /// No one who comes back from rest starts below this: rest is not saved up.
    floor: u64,
    next_id: u64,
}

/// A container's account.
struct Account {
    weight: u64,
    /// CPU time had, in nanoseconds times 1000 over the weight.
    served: u64,
    running: usize,
    waiting: VecDeque<(u64, Waker)>,
    /// Turns given to waiting guests that have not begun them.
    given: Vec<u64>,
}

/// A container's place in the queue; leaves it when dropped.
pub(super) struct Member {
    queue: Arc<Queue>,
    id: u64,
}

/// Where one guest stands.
#[derive(Default)]
pub(super) enum Turn {
    #[default]
    Outside,
    Waiting(u64),
    Running,
}

impl Queue {
    pub(super) fn new(cpus: usize) -> Arc<Self> {
        let state = State { free: cpus.max(1), members: HashMap::new(), order: BTreeSet::new(), floor: 0, next_id: 0 };
        Arc::new(Queue(Mutex::new(state)))
    }

    pub(super) fn join(self: &Arc<Self>, weight: u64) -> Member {
        let mut state = self.0.lock();
        let id = state.new_id();
        let served = state.floor;
        state.members.insert(id, Account { weight, served, running: 0, waiting: VecDeque::new(), given: Vec::new() });
        Member { queue: self.clone(), id }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.queue.0.lock();
        if let Some(account) = state.members.remove(&self.id) {
            state.order.remove(&(account.served, self.id));
        }
    }
}

impl Turn {
    /// True once the guest may run. Otherwise it waits in the queue and is woken when its turn comes.
    pub(super) fn poll(&mut self, member: &Member, context: &Context<'_>) -> bool {
        let mut state = member.queue.0.lock();
        let may_run = match *self {
            Turn::Outside if state.free > 0 => state.begin(member.id),
            Turn::Outside => {
                *self = Turn::Waiting(state.wait(member.id, context.waker().clone()));
                false
            }
            Turn::Waiting(ticket) => state.take_turn(member.id, ticket, context.waker()),
            Turn::Running => true,
        };
        if may_run {
            *self = Turn::Running;
        }
        may_run
    }

    /// The guest ran for so long. One that wants on keeps the CPU for its next poll unless another was served less; one that rests
    /// leaves.
    pub(super) fn finish(&mut self, member: &Member, used: Duration, wants_on: bool) {
        let mut state = member.queue.0.lock();
        state.charge(member.id, used);
        *self = match wants_on && state.is_next(member.id) {
            true => Turn::Waiting(state.give(member.id)),
            false => {
                state.pass_on();
                Turn::Outside
            }
        };
    }

    /// Leaves the queue without running.
    pub(super) fn give_up(&mut self, member: &Member) {
        if let Turn::Waiting(ticket) = *self {
            member.queue.0.lock().forget(member.id, ticket);
        }
        *self = Turn::Outside;
    }
}

impl State {
    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn account(&mut self, id: u64) -> &mut Account {
        self.members.get_mut(&id).expect("a member stays in the map until it is dropped")
    }

    /// Takes a free CPU.
    fn begin(&mut self, id: u64) -> bool {
        self.free -= 1;
        self.wake_up(id);
        self.account(id).running += 1;
        true
    }

    /// One who had rest starts where the others are.
    fn wake_up(&mut self, id: u64) {
        let floor = self.floor;
        let account = self.account(id);
        if account.running == 0 && account.waiting.is_empty() && account.given.is_empty() {
            account.served = account.served.max(floor);
        }
    }

    fn wait(&mut self, id: u64, waker: Waker) -> u64 {
        self.wake_up(id);
        let ticket = self.new_id();
        let account = self.account(id);
        account.waiting.push_back((ticket, waker));
        let key = (account.served, id);
        self.order.insert(key);
        ticket
    }

    /// Begins a turn that was given; otherwise keeps waiting with a fresh waker.
    fn take_turn(&mut self, id: u64, ticket: u64, waker: &Waker) -> bool {
        let account = self.account(id);
        if let Some(index) = account.given.iter().position(|given| *given == ticket) {
            account.given.swap_remove(index);
            account.running += 1;
            return true;
        }
        if let Some((_, old)) = account.waiting.iter_mut().find(|(waiting, _)| *waiting == ticket) {
            old.clone_from(waker);
        }
        false
    }

    fn charge(&mut self, id: u64, used: Duration) {
        let account = self.account(id);
        account.running -= 1;
        let nanos = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        let before = account.served;
        account.served = before.saturating_add(nanos.saturating_mul(1000) / account.weight);
        let after = account.served;
        if self.order.remove(&(before, id)) {
            self.order.insert((after, id));
        }
        let least_waiting = self.order.first().map_or(after, |(served, _)| *served);
        self.floor = self.floor.max(least_waiting.min(after));
    }

    /// No one who waits was served less.
    fn is_next(&mut self, id: u64) -> bool {
        let served = self.account(id).served;
        self.order.first().is_none_or(|(least, _)| served < *least)
    }

    /// The CPU stays with this member, for a guest that comes for it.
    fn give(&mut self, id: u64) -> u64 {
        let ticket = self.new_id();
        self.account(id).given.push(ticket);
        ticket
    }

    /// Hands a CPU that became free to the guest who waits with least served, or keeps it.
    fn pass_on(&mut self) {
        let Some((served, id)) = self.order.first().copied() else {
            self.free += 1;
            return;
        };
        let account = self.account(id);
        let (ticket, waker) = account.waiting.pop_front().expect("members in the order have someone waiting");
        account.given.push(ticket);
        if account.waiting.is_empty() {
            self.order.remove(&(served, id));
        }
        waker.wake();
    }

    fn forget(&mut self, id: u64, ticket: u64) {
        let account = self.account(id);
        if let Some(index) = account.given.iter().position(|given| *given == ticket) {
            account.given.swap_remove(index);
            self.pass_on();
            return;
        }
        account.waiting.retain(|(waiting, _)| *waiting != ticket);
        if account.waiting.is_empty() {
            let key = (account.served, id);
            self.order.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn poll(turn: &mut Turn, member: &Member) -> bool {
        turn.poll(member, &Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_least_served_for_its_weight_goes_first() {
        let queue = Queue::new(1);
        let (heavy, light, other) = (queue.join(200), queue.join(100), queue.join(100));
        let mut turns = [Turn::default(), Turn::default(), Turn::default()];
        assert!(poll(&mut turns[2], &other));
        assert!(!poll(&mut turns[0], &heavy) && !poll(&mut turns[1], &light));
        turns[2].finish(&other, MS, true);
        assert!(poll(&mut turns[0], &heavy) && !poll(&mut turns[1], &light), "the first who came among equals");
        assert!(!poll(&mut turns[2], &other));
        turns[0].finish(&heavy, 3 * MS, false);
        assert!(poll(&mut turns[1], &light), "light had nothing yet, other 1 ms");
    }

    #[test]
    fn who_gives_up_passes_the_turn_on() {
        let queue = Queue::new(1);
        let (one, two) = (queue.join(100), queue.join(100));
        let (mut first, mut second, mut third) = (Turn::default(), Turn::default(), Turn::default());
        assert!(poll(&mut first, &one));
        assert!(!poll(&mut second, &two) && !poll(&mut third, &one));
        first.finish(&one, MS, false);
        second.give_up(&two);
        assert!(poll(&mut third, &one));
        third.finish(&one, MS, false);
        assert_eq!(queue.0.lock().free, 1);
        drop((one, two));
        assert!(queue.0.lock().members.is_empty());
    }

    #[test]
    fn rest_is_not_saved_up() {
        let queue = Queue::new(1);
        let (busy, lazy) = (queue.join(100), queue.join(100));
        let (mut turn, mut late) = (Turn::default(), Turn::default());
        for _ in 0..100 {
            assert!(poll(&mut turn, &busy));
            turn.finish(&busy, MS, true);
        }
        assert!(poll(&mut turn, &busy));
        assert!(!poll(&mut late, &lazy));
        turn.finish(&busy, MS, true);
        assert!(poll(&mut late, &lazy));
        assert!(!poll(&mut turn, &busy));
        late.finish(&lazy, 2 * MS, true);
        assert!(!poll(&mut late, &lazy), "it had no more than a millisecond in stock");
        assert!(poll(&mut turn, &busy));
    }
}

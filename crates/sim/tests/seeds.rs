//! Whole clusters from seeds. `SIM_SEEDS=5000 cargo test -p sampan-sim` runs more of them (`SIM_FROM` is the first);
//! `SIM_SEED=7 cargo test -p sampan-sim replay -- --nocapture` runs one and prints its trace.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sampan_sim::{Failure, Outcome, run};

const SEEDS: u64 = 5;
/// Each runs in one thread; more threads than the machine has processors gain nothing.
const THREADS: usize = 2;

fn number(name: &str) -> Option<u64> {
    // This is how whoever runs the tests speaks to them.
    #[expect(clippy::disallowed_methods)]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")))
}

#[test]
fn every_promise_holds_for_every_seed() {
    let (from, count) = (number("SIM_FROM").unwrap_or(0), number("SIM_SEEDS").unwrap_or(SEEDS));
    let (next, tally) = (AtomicU64::new(from), Mutex::new(Tally::default()));
    let began = Instant::now();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count {
                return;
            }
            let result = run(seed);
            tally.lock().add(seed, result);
        }
    };
    std::thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
    let Tally { failures, virtual_time } = tally.into_inner();
    println!("{count} seeds: {} virtual hours in {:?}", virtual_time.as_secs() / 3600, began.elapsed());
    assert!(failures.is_empty(), "{} of {count} seeds failed:\n{}", failures.len(), failures.join("\n"));
}

#[derive(Default)]
struct Tally {
    failures: Vec<String>,
    virtual_time: Duration,
}

impl Tally {
    /// A failure is told at once: whoever waits for thousands of seeds can look at it meanwhile.
    #[expect(clippy::print_stdout, reason = "this is how the test speaks to whoever waits")]
    fn add(&mut self, seed: u64, result: Result<Outcome, Failure>) {
        match result {
            Ok(outcome) => self.virtual_time += outcome.virtual_time,
            Err(failure) => {
                println!("{failure}\nagain: SIM_SEED={seed} cargo test -p sampan-sim replay -- --nocapture");
                self.failures.push(failure.to_string());
            }
        }
    }
}

#[test]
fn the_same_seed_takes_the_same_path() {
    let seed = 1;
    let traces =
        [run(seed), run(seed)].map(|result| result.map_or_else(|failure| failure.trace, |outcome| outcome.trace));
    let [first, second] = &traces;
    let fork = first.iter().zip(second).position(|(one, other)| one != other);
    let around = |at: usize| {
        let lines = |trace: &[String]| trace[at.saturating_sub(8)..trace.len().min(at + 4)].join("\n");
        format!("SIM_SEED={seed} line {at}:\n{}\nor\n{}", lines(first), lines(second))
    };
    assert!(fork.is_none(), "{}", fork.map(around).unwrap_or_default());
    assert_eq!(first.len(), second.len(), "SIM_SEED={seed}");
}

#[test]
fn a_pod_marked_unready_while_its_node_was_cut_off_becomes_ready_again() {
    run(5).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_node_marked_unknown_while_it_was_cut_off_says_at_once_that_it_is_back() {
    run(18).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn replay() {
    let Some(seed) = number("SIM_SEED") else { return };
    let result = run(seed);
    let trace = result.as_ref().map_or_else(|failure| &failure.trace, |outcome| &outcome.trace);
    trace.iter().for_each(|line| println!("{line}"));
    result.expect("every promise holds");
}

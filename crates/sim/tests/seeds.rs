//! Whole clusters from seeds. `SIM_SEEDS=1000 cargo test -p sampan-sim` runs more of them (`SIM_FROM` is the first);
//! `SEED=7 cargo test -p sampan-sim replay -- --nocapture` runs one and prints its trace.

use std::time::Instant;

use sampan_sim::run;

const SEEDS: u64 = 5;

fn number(name: &str) -> Option<u64> {
    // This is how whoever runs the tests speaks to them.
    #[expect(clippy::disallowed_methods)]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")))
}

#[test]
fn every_promise_holds_for_every_seed() {
    let (from, count) = (number("SIM_FROM").unwrap_or(0), number("SIM_SEEDS").unwrap_or(SEEDS));
    let (began, mut virtual_seconds, mut failures) = (Instant::now(), 0, Vec::new());
    for seed in from..from + count {
        let (began, result) = (Instant::now(), run(seed));
        println!("SEED={seed}: {:?}", began.elapsed());
        match result {
            Ok(outcome) => virtual_seconds += outcome.virtual_time.as_secs(),
            Err(failure) => {
                println!("{failure}");
                failures.push(failure.to_string());
            }
        }
    }
    println!("{count} seeds: {} virtual hours in {:?}", virtual_seconds / 3600, began.elapsed());
    assert!(failures.is_empty(), "{} of {count} seeds failed:\n{}", failures.len(), failures.join("\n"));
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
        format!("SEED={seed} line {at}:\n{}\nor\n{}", lines(first), lines(second))
    };
    assert!(fork.is_none(), "{}", fork.map(around).unwrap_or_default());
    assert_eq!(first.len(), second.len(), "SEED={seed}");
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
    let Some(seed) = number("SEED") else { return };
    let result = run(seed);
    let trace = result.as_ref().map_or_else(|failure| &failure.trace, |outcome| &outcome.trace);
    trace.iter().for_each(|line| println!("{line}"));
    result.expect("every promise holds");
}

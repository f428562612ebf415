use super::series::{Thresholds, Verdict};

fn verdicts(mut thresholds: Thresholds, answers: &str) -> String {
    let verdict = |answer| match thresholds.count(answer == '+') {
        Some(Verdict::Good) => 'G',
        Some(Verdict::Bad) => 'B',
        None => '.',
    };
    answers.chars().map(verdict).collect()
}

#[test]
fn readiness_needs_its_first_success_and_its_failures_in_a_row() {
    let readiness = || Thresholds::new(None, None, false);
    assert_eq!(verdicts(readiness(), "+++"), "G..");
    assert_eq!(verdicts(readiness(), "--+--+---+"), "..G.....BG");
    assert_eq!(verdicts(Thresholds::new(Some(2), Some(1), false), "+-++-"), "....GB".replace("....", ".B.").as_str());
}

#[test]
fn liveness_condemns_after_three_failures_in_a_row() {
    assert_eq!(verdicts(Thresholds::new(None, None, true), "+--+---"), "G.....B");
    assert_eq!(verdicts(Thresholds::new(None, Some(1), true), "-"), "B");
}

#[test]
fn startup_waits_for_success_or_its_last_failure() {
    assert_eq!(verdicts(Thresholds::new(None, Some(4), false), "--+"), "..G");
    assert_eq!(verdicts(Thresholds::new(None, Some(4), false), "----"), "...B");
}

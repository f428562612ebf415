//! Making raw scores comparable.

/// The best a node can be.
pub(super) const MOST: i64 = 100;

/// Stretches scores so that the highest is 100; all stay 0 where all are. Upstream's `helper.DefaultNormalizeScore`.
pub(super) fn stretched(mut scores: Vec<i64>) -> Vec<i64> {
    let highest = scores.iter().copied().max().unwrap_or(0);
    if highest > 0 {
        scores.iter_mut().for_each(|score| *score = *score * MOST / highest);
    }
    scores
}

/// As [`stretched`], where less is better.
pub(super) fn reversed(scores: Vec<i64>) -> Vec<i64> {
    let mut scores = stretched(scores);
    scores.iter_mut().for_each(|score| *score = MOST - *score);
    scores
}

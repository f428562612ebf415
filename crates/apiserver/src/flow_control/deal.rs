//! Shuffle sharding (apiserver `pkg/util/shufflesharding`): a flow's hash deals it a hand of queues, so that a flow that fills its own
//! queues leaves nearly every other flow at least one that it does not share.

/// The different numbers below `deck` that this hash deals; `hand` of them, or as many as there are.
pub(super) fn hand(mut hash: u64, deck: usize, hand: usize) -> Vec<usize> {
    let mut dealt: Vec<usize> = Vec::with_capacity(hand);
    for size in (1..=deck).rev().take(hand) {
        // Counts among the cards still in the deck: each smaller one dealt before moves it up by one.
        let mut card = usize::try_from(hash % size as u64).expect("smaller than a number of queues");
        hash /= size as u64;
        let mut before = dealt.clone();
        before.sort_unstable();
        for smaller in before {
            card += usize::from(smaller <= card);
        }
        dealt.push(card);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_has_no_card_twice_and_the_deck_is_used_evenly() {
        let mut counts = [0; 16];
        for hash in 0..100_000u64 {
            let mut cards = hand(hash.wrapping_mul(0x9E37_79B9_7F4A_7C15), 16, 4);
            cards.iter().for_each(|card| counts[*card] += 1);
            cards.sort_unstable();
            cards.dedup();
            assert_eq!(cards.len(), 4);
        }
        assert!(counts.iter().all(|count| (23_000..27_000).contains(count)), "{counts:?}");
        assert_eq!(hand(7, 3, 8).len(), 3);
    }
}

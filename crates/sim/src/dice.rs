//! Chance from a seed, one stream per purpose so that one more draw here does not change what happens there.

use std::sync::Arc;
use std::time::Duration;

use sampan_meta::{Entropy, SeededEntropy};

/// A stream of choices. Clones share the stream.
#[derive(Clone)]
pub struct Dice(Arc<SeededEntropy>);

impl Dice {
    /// The stream of that name of a seed.
    #[must_use]
    pub fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a: streams of neighbouring seeds and names must not be shifts of each other.
        let start = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xcbf2_9ce4_8422_2325;
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(Arc::new(SeededEntropy::new(stream.bytes().fold(start, mix))))
    }

    /// A number below `bound`; 0 if that is 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes).checked_rem(bound).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    #[must_use]
    pub fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `percent` of a hundred cases.
    #[must_use]
    pub fn percent(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A time below `bound`, in whole milliseconds.
    #[must_use]
    pub fn millis(&self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }

    /// One of the choices, unless there are none.
    #[must_use]
    pub fn pick<'a, T>(&self, choices: &'a [T]) -> Option<&'a T> {
        let at = self.below(choices.len() as u64);
        usize::try_from(at).ok().and_then(|at| choices.get(at))
    }

    /// The bytes below, for parts that take their chance themselves.
    #[must_use]
    pub fn entropy(&self) -> Arc<dyn Entropy> {
        self.0.clone()
    }
}

//! Chance is given, not taken: everything that needs random bytes is handed an [`Entropy`].

use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random bytes.
///
/// # Contract
/// Outside tests the bytes are unpredictable (the operating system's generator): uids, tokens and keys are made of them.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// A reproducible stream of bytes that looks random and is not. For tests and the simulator.
#[derive(Debug)]
pub struct SeededEntropy {
    state: AtomicU64,
}

impl SeededEntropy {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// One step of SplitMix64.
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A new random (version 4) uuid in the form objects carry it in `metadata.uid`.
pub fn new_uid(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The letters upstream makes generated names of: no vowels, so that no words arise, and nothing easily confused
/// (`apimachinery/pkg/util/rand`).
pub const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A random suffix of `length` letters for a generated name.
pub fn random_suffix(entropy: &dyn Entropy, length: usize) -> String {
    let mut suffix = String::with_capacity(length);
    let mut byte = [0];
    while suffix.len() < length {
        entropy.fill(&mut byte);
        let index = usize::from(byte[0] & 0x1f);
        // Five bits give 32 values; drawing again for the upper five keeps the letters equally likely.
        if let Some(letter) = SUFFIX_ALPHABET.get(index) {
            suffix.push(char::from(*letter));
        }
    }
    suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_uuids_of_version_4_and_differ() {
        let entropy = SeededEntropy::new(1);
        let (first, second) = (new_uid(&entropy), new_uid(&entropy));
        assert_ne!(first, second);
        assert_eq!(first.len(), 36);
        assert_eq!(first.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&first.as_bytes()[19]));
        assert_eq!(first, new_uid(&SeededEntropy::new(1)), "the same seed gives the same uid");
    }

    #[test]
    fn suffixes_use_every_letter_of_the_alphabet_and_no_other() {
        let suffix = random_suffix(&SeededEntropy::new(7), 2000);
        assert_eq!(suffix.len(), 2000);
        let used: std::collections::BTreeSet<u8> = suffix.bytes().collect();
        assert_eq!(used, SUFFIX_ALPHABET.iter().copied().collect());
    }
}

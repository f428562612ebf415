//! Exponential backoff with jitter taken from a given [`Entropy`].

use std::sync::Arc;
use std::time::Duration;

use sampan_meta::Entropy;

/// How delays grow: `base`, doubled for each failure, never above `max`, each stretched by up to `jitter` of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffPolicy {
    /// The delay after the first failure.
    pub base: Duration,
    /// The longest delay before jitter.
    pub max: Duration,
    /// The share of the delay that is added at random: 0.0 adds none, 1.0 up to as much again.
    pub jitter: f64,
}

impl BackoffPolicy {
    /// What a reflector waits between attempts, as client-go's: 800 ms up to 30 s, with full jitter.
    pub const WATCH: Self = Self { base: Duration::from_millis(800), max: Duration::from_secs(30), jitter: 1.0 };
    /// What a controller's failed key waits. Upstream begins at 5 ms and ends at 1000 s; a thousand seconds help nobody who has just
    /// mended what was wrong, so this ends at five minutes.
    pub const RECONCILE: Self = Self { base: Duration::from_millis(5), max: Duration::from_secs(300), jitter: 0.1 };

    /// The delay after `failures` earlier failures (0: this was the first one).
    #[must_use]
    pub fn delay(&self, failures: u32, entropy: &dyn Entropy) -> Duration {
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(failures.min(31)));
        let delay = doubled.min(self.max);
        delay + delay.mul_f64(self.jitter * fraction(entropy))
    }
}

/// A number in 0.0..1.0.
fn fraction(entropy: &dyn Entropy) -> f64 {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

/// The failures of one thing that is tried again and again.
pub struct Backoff {
    policy: BackoffPolicy,
    failures: u32,
    entropy: Arc<dyn Entropy>,
}

impl Backoff {
    /// Begins without a failure.
    pub fn new(policy: BackoffPolicy, entropy: Arc<dyn Entropy>) -> Self {
        Self { policy, failures: 0, entropy }
    }

    /// Counts one more failure and says how long to wait.
    pub fn failed(&mut self) -> Duration {
        let delay = self.policy.delay(self.failures, &*self.entropy);
        self.failures = self.failures.saturating_add(1);
        delay
    }

    /// Forgets all failures: it worked.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sampan_meta::SeededEntropy;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let policy = BackoffPolicy { base: Duration::from_millis(10), max: Duration::from_millis(100), jitter: 0.0 };
        let mut backoff = Backoff::new(policy, Arc::new(SeededEntropy::new(1)));
        let delays: Vec<_> = (0..6).map(|_| backoff.failed().as_millis()).collect();
        assert_eq!(delays, [10, 20, 40, 80, 100, 100]);
        backoff.succeeded();
        assert_eq!(backoff.failed().as_millis(), 10);
    }

    #[test]
    fn jitter_only_lengthens_and_the_same_seed_gives_the_same_delays() {
        let delays = || {
            let mut backoff = Backoff::new(BackoffPolicy::WATCH, Arc::new(SeededEntropy::new(7)));
            (0..40).map(|_| backoff.failed()).collect::<Vec<_>>()
        };
        assert_eq!(delays(), delays());
        assert!(
            delays().iter().all(|delay| *delay >= BackoffPolicy::WATCH.base && *delay <= BackoffPolicy::WATCH.max * 2)
        );
    }
}

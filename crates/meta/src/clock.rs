//! Time is given, not taken: everything that needs the wall clock is handed a [`Clock`].

use jiff::Timestamp;
use std::sync::Mutex;
use std::time::Duration;

/// The wall clock.
///
/// # Contract
/// `now` may be called at any time from any thread and never blocks for long. It may go backwards, as wall clocks do.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// A clock that stands still until it is told to move. For tests and the simulator.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Timestamp>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now: Mutex::new(now) }
    }

    /// Shows `now` from here on; earlier times are allowed.
    pub fn set(&self, now: Timestamp) {
        *self.lock() = now;
    }

    /// Moves forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.lock();
        *now = now.checked_add(by).unwrap_or(Timestamp::MAX);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    /// Starts at `2026-01-02T03:04:05Z`.
    fn default() -> Self {
        Self::new(Timestamp::constant(1_767_323_045, 0))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::default();
        assert_eq!(clock.now().to_string(), "2026-01-02T03:04:05Z");
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now().to_string(), "2026-01-02T03:04:06.5Z");
        clock.set(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
    }
}

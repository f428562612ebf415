//! A CPU limit as a quota per period.

use std::time::Duration;

use tokio::time::Instant;

/// As the kernel's default `cpu.cfs_period_us`.
const PERIOD: Duration = Duration::from_millis(100);

/// How much of the current period is used.
#[derive(Debug)]
pub(super) struct Quota {
    per_period: Duration,
    begin: Option<Instant>,
    used: Duration,
}

impl Quota {
    /// Of so many thousandths of a CPU.
    pub(super) fn new(millis: u64) -> Self {
        Quota {
            per_period: Duration::from_micros(millis.max(1).saturating_mul(100)),
            begin: None,
            used: Duration::ZERO,
        }
    }

    pub(super) fn charge(&mut self, now: Instant, used: Duration) {
        self.roll(now);
        self.used += used;
    }

    /// The end of the pause when the quota is used up; a debt of several periods is waited out in full.
    pub(super) fn exhausted_until(&mut self, now: Instant) -> Option<Instant> {
        let begin = self.roll(now);
        if self.used < self.per_period {
            return None;
        }
        let periods = self.used.as_nanos() / self.per_period.as_nanos();
        Some(begin + PERIOD * u32::try_from(periods).unwrap_or(u32::MAX))
    }

    /// Begins the period that `now` is in. Each period passed pays its part of the debt; what was not used is not saved.
    fn roll(&mut self, now: Instant) -> Instant {
        let begin = *self.begin.get_or_insert(now);
        let passed = now.saturating_duration_since(begin).as_nanos() / PERIOD.as_nanos();
        let Ok(passed) = u32::try_from(passed) else {
            self.used = Duration::ZERO;
            self.begin = Some(now);
            return now;
        };
        self.used = self.used.saturating_sub(self.per_period.saturating_mul(passed));
        let begin = begin + PERIOD * passed;
        self.begin = Some(begin);
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn the_next_period_pays_for_this_one() {
        let start = Instant::now();
        let mut quota = Quota::new(200);
        assert_eq!(quota.exhausted_until(start), None);
        quota.charge(start, 19 * MS);
        assert_eq!(quota.exhausted_until(start + 30 * MS), None);
        quota.charge(start + 31 * MS, 3 * MS);
        assert_eq!(quota.exhausted_until(start + 31 * MS), Some(start + 100 * MS));
        assert_eq!(quota.exhausted_until(start + 100 * MS), None);
        quota.charge(start + 100 * MS, 19 * MS);
        assert_eq!(quota.exhausted_until(start + 120 * MS), Some(start + 200 * MS), "2 ms of debt came along");
    }

    #[tokio::test(start_paused = true)]
    async fn rest_is_not_saved_up() {
        let start = Instant::now();
        let mut quota = Quota::new(100);
        assert_eq!(quota.exhausted_until(start), None);
        let later = start + Duration::from_secs(3600);
        quota.charge(later, 35 * MS);
        assert_eq!(quota.exhausted_until(later), Some(later + 300 * MS));
    }
}

//! How long a plugin that failed is left alone: so that failing takes a small share of the time, whatever it is that fails.

use std::time::{Duration, Instant};

use super::Failure;

/// Of so many parts of the time one may be spent on failing.
const SHARE: u32 = 20;

/// A plugin that takes a second to fail shall be tried again today.
const LONGEST: Duration = Duration::from_secs(60);

/// Since when and how long a plugin is left alone, and why.
#[derive(Debug, Default)]
pub(super) struct Rest {
    until: Option<Instant>,
    why: Option<Failure>,
}

impl Rest {
    /// It failed just now, which took so long, with all it takes to make another.
    pub(super) fn begin(&mut self, why: String, cost: Duration) -> Failure {
        self.begin_at(Instant::now(), why, cost)
    }

    fn begin_at(&mut self, now: Instant, why: String, cost: Duration) -> Failure {
        self.until = Some(now + cost.saturating_mul(SHARE).min(LONGEST));
        let why = Failure(why);
        self.why = Some(why.clone());
        why
    }

    /// Why it is still left alone, if it is.
    pub(super) fn lasts(&self, now: Instant) -> Option<&Failure> {
        self.why.as_ref().filter(|_| self.until.is_some_and(|until| now < until))
    }

    /// What it failed with last.
    pub(super) fn last(&self) -> Failure {
        self.why.clone().unwrap_or_else(|| Failure("it was asked before it was started".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_long_to_fail_rests_longer_and_never_for_ever() {
        let now = Instant::now();
        let rests = |cost: Duration| {
            let mut rest = Rest::default();
            rest.begin_at(now, "spun".into(), cost);
            rest.until.unwrap() - now
        };
        assert_eq!(
            [Duration::from_micros(50), Duration::from_millis(10), Duration::from_secs(10)].map(rests),
            [Duration::from_millis(1), Duration::from_millis(200), Duration::from_secs(60)]
        );
    }

    #[test]
    fn while_it_rests_it_says_why() {
        let (mut rest, now) = (Rest::default(), Instant::now());
        assert_eq!(rest.lasts(now), None);
        let why = rest.begin_at(now, "spun".into(), Duration::from_millis(10));
        assert_eq!(rest.lasts(now + Duration::from_millis(199)), Some(&why));
        assert_eq!(rest.lasts(now + Duration::from_millis(200)), None);
    }
}

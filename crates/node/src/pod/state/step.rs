//! Things done once, that may fail and are tried again.

use std::time::Duration;

use jiff::Timestamp;

/// The first wait of anything that failed and is tried again.
pub const FIRST_BACKOFF: Duration = Duration::from_secs(10);
/// The longest wait.
pub const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// Something done once, that may fail and be tried again.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Step {
    /// To be done.
    #[default]
    Idle,
    /// Being done.
    Working,
    /// Done.
    Done,
    /// Failed, to be tried again.
    Failed(Failure),
}

impl Step {
    /// Whether it is time to begin; otherwise when it will be.
    pub fn due(&self, now: Timestamp) -> Due {
        match self {
            Step::Idle => Due::Now,
            Step::Working | Step::Done => Due::Never,
            Step::Failed(failure) if failure.retry_at <= now => Due::Now,
            Step::Failed(failure) => Due::At(failure.retry_at),
        }
    }

    /// What failed before, however often.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Step::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

/// When something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once.
    Now,
    /// Then.
    At(Timestamp),
    /// Not before something else happens.
    Never,
}

/// Why something did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The word shown as a container's waiting reason: `ErrImagePull`, `CreateContainerConfigError`, …
    pub reason: String,
    /// What a person should know.
    pub message: String,
    /// When it is tried again.
    pub retry_at: Timestamp,
    /// The wait before that, doubled each time.
    pub delay: Duration,
}

impl Failure {
    /// A failure following `before`: waits twice as long, from ten seconds to five minutes.
    pub fn after(before: Option<&Failure>, reason: &str, message: String, now: Timestamp) -> Self {
        let delay = before.map_or(FIRST_BACKOFF, |before| (before.delay * 2).min(MAX_BACKOFF));
        Self { reason: reason.to_owned(), message, retry_at: later(now, delay), delay }
    }
}

impl Failure {
    /// When it failed.
    pub fn failed_at(&self) -> Timestamp {
        self.retry_at.checked_sub(self.delay).unwrap_or(Timestamp::MIN)
    }
}

/// `now + delay`, at most the end of time.
pub fn later(now: Timestamp, delay: Duration) -> Timestamp {
    now.checked_add(delay).unwrap_or(Timestamp::MAX)
}

//! The wall clock of a simulated cluster.

use jiff::Timestamp;
use sampan_meta::Clock;
use tokio::time::Instant;

/// Where every simulated clock starts: `2026-01-02T03:04:05Z`.
const EPOCH: Timestamp = Timestamp::constant(1_767_323_045, 0);

/// Wall time that passes exactly as tokio's (paused) time does.
pub struct VirtualClock(Instant);

impl VirtualClock {
    /// A clock that shows the epoch now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        EPOCH.checked_add(self.0.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

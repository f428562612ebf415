//! When a store looks for expired objects.

use std::time::Duration;

/// Wall clocks are set and machines sleep: no pause relies on the clock for longer than this.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long to sleep when the next object expires in so many seconds; `None` when nothing expires.
pub(crate) fn pause(seconds: Option<i64>) -> Duration {
    let seconds = seconds.map_or(LONGEST.as_secs(), |seconds| u64::try_from(seconds).unwrap_or(0).max(1));
    Duration::from_secs(seconds).min(LONGEST)
}

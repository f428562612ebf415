//! The sandbox process's wall clock: for log lines and the times in statuses. The one place that reads it.

/// Now.
#[allow(
    clippy::disallowed_methods,
    reason = "the entry of a process of its own; nothing above could hand a clock down"
)]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now() // tidy: outside, a process of its own
}

/// Now, in nanoseconds since the Unix epoch.
pub(crate) fn nanoseconds() -> i128 {
    now().as_nanosecond()
}

//! What is printed in the end.

use std::fmt;
use std::time::Duration;

use super::figures::Spread;
use super::timeline::Summary;

pub(super) struct Report {
    pub(super) nodes: u32,
    pub(super) registered: Duration,
    /// Whether every pod ran before patience ended.
    pub(super) finished: bool,
    pub(super) elapsed: Duration,
    pub(super) cpu: Duration,
    pub(super) peak_memory: u64,
    pub(super) timeline: Summary,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { counts, create_to_bound, bound_to_running, binding, starting } = &self.timeline;
        writeln!(f, "nodes              {} (registered in {})", self.nodes, Seconds(self.registered))?;
        let rest = if self.finished { "" } else { ", not all" };
        writeln!(
            f,
            "pods               {} created, {} bound, {} running{rest}",
            counts.created, counts.bound, counts.running
        )?;
        writeln!(f, "first to last      {} until bound, {} until running", Seconds(*binding), Seconds(*starting))?;
        writeln!(
            f,
            "throughput         {:.0} bound/s, {:.0} running/s",
            rate(counts.bound, *binding),
            rate(counts.running, *starting)
        )?;
        writeln!(f, "created → bound    {create_to_bound}")?;
        writeln!(f, "bound → running    {bound_to_running}")?;
        let share = 100.0 * self.cpu.as_secs_f64() / self.elapsed.as_secs_f64().max(f64::EPSILON);
        writeln!(f, "processor          {} ({share:.0} % of one), nodes included", Seconds(self.cpu))?;
        write!(f, "memory             {} MiB at most, nodes included", self.peak_memory >> 20)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let Self { p50, p90, p99, most } = *self;
        write!(
            f,
            "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            millis(p50),
            millis(p90),
            millis(p99),
            millis(most)
        )
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s", self.0.as_secs_f64())
    }
}

fn rate(count: usize, time: Duration) -> f64 {
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if time.is_zero() { 0.0 } else { count / time.as_secs_f64() }
}

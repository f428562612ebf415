//! What is measured: spreads of times, this process's processor time and memory.

use std::time::Duration;

/// Some points of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) p50: Duration,
    pub(super) p90: Duration,
    pub(super) p99: Duration,
    pub(super) most: Duration,
}

impl Spread {
    /// Of these times; all zero when there are none.
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let Some(last) = times.len().checked_sub(1) else { return Self::default() };
        // The smallest time that so many in a hundred do not exceed.
        let at = |percent: usize| times[(times.len() * percent).div_ceil(100).saturating_sub(1)];
        Self { p50: at(50), p90: at(90), p99: at(99), most: times[last] }
    }
}

/// Processor time that this process has used.
pub(super) fn cpu_time() -> Duration {
    cpu_ticks(&std::fs::read_to_string("/proc/self/stat").unwrap_or_default())
}

/// The fields after the name in parentheses, which may hold spaces; `utime` and `stime` are the 14th and 15th of all, in hundredths of a second.
fn cpu_ticks(stat: &str) -> Duration {
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = rest.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Resident memory of this process now, in bytes.
pub(super) fn memory() -> u64 {
    status("VmRSS:")
}

/// The most it ever was.
pub(super) fn peak_memory() -> u64 {
    status("VmHWM:")
}

fn status(key: &str) -> u64 {
    kibibytes(&std::fs::read_to_string("/proc/self/status").unwrap_or_default(), key) << 10
}

fn kibibytes(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_time_that_so_many_do_not_exceed() {
        let millis = |count: u64| (1..=count).rev().map(Duration::from_millis).collect();
        let point = |spread: Spread| [spread.p50, spread.p90, spread.p99, spread.most].map(|time| time.as_millis());
        assert_eq!(point(Spread::of(millis(200))), [100, 180, 198, 200]);
        assert_eq!(point(Spread::of(millis(1))), [1; 4]);
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }

    #[test]
    fn processor_time_and_memory_are_read_past_a_name_with_spaces() {
        let stat = "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(cpu_ticks(stat), Duration::from_secs(3));
        assert_eq!(kibibytes("VmPeak: 9 kB\nVmRSS:\t  1234 kB\n", "VmRSS:"), 1234);
        assert!(cpu_time() > Duration::ZERO || memory() > 0);
    }
}

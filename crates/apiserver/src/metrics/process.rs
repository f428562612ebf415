//! What Linux says of this process, as Prometheus' own client libraries report it. Elsewhere there is nothing to read, and nothing is told.

use super::Page;

/// The kernel counts times in hundredths of a second wherever Linux runs today (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;

pub(super) fn report(page: &mut Page) {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{name}")).ok();
    let values = [
        (
            "process_cpu_seconds_total",
            "counter",
            "Processor time used, in seconds.",
            read("self/stat").as_deref().and_then(cpu_seconds),
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Memory in use, in bytes.",
            read("self/status").as_deref().and_then(|status| bytes_of(status, "VmRSS")),
        ),
        (
            "process_virtual_memory_bytes",
            "gauge",
            "Address space, in bytes.",
            read("self/status").as_deref().and_then(|status| bytes_of(status, "VmSize")),
        ),
        ("process_open_fds", "gauge", "Open file descriptors.", open_files()),
        (
            "process_max_fds",
            "gauge",
            "The most file descriptors there may be.",
            read("self/limits").as_deref().and_then(most_files),
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "When the process began, in seconds since 1970.",
            start(read("self/stat"), read("stat")),
        ),
    ];
    for (name, kind, help, value) in values {
        if let Some(value) = value {
            page.head(name, kind, help);
            page.line(name, &[], value);
        }
    }
}

/// A field of `/proc/self/stat`, counted as its manual page does; the name of the program, the second, may contain blanks.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(number.checked_sub(3)?)?.trim().parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS_A_SECOND)
}

fn start(own: Option<String>, system: Option<String>) -> Option<f64> {
    let system = system?;
    let booted: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(booted + field(&own?, 22)? / TICKS_A_SECOND)
}

fn bytes_of(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn open_files() -> Option<f64> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}

fn most_files(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 1000 5000 300";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(start(Some(stat.into()), Some("cpu 1 2\nbtime 1700000000\n".into())), Some(1_700_000_010.0));
        assert_eq!(bytes_of("VmSize:\t    10 kB\nVmRSS:\t     3 kB\n", "VmRSS"), Some(3072.0));
        assert_eq!(
            most_files("Max open files            1024                 4096                 files\n"),
            Some(1024.0)
        );
        assert_eq!(cpu_seconds("nonsense"), None);
    }
}

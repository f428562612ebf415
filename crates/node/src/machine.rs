//! What the machine under the node has and uses, from `/proc` and the file systems. Read when asked, never kept.

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

/// The machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    proc: PathBuf,
}

/// Memory in bytes, counted as cAdvisor counts a whole machine's (its `setMemoryStats` for the root cgroup).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) total: u64,
    /// All that is not free, caches included.
    pub(crate) used: u64,
    /// Used and not given up without harm: what is used without pages of files nobody looked at lately.
    pub(crate) working_set: u64,
}

impl Memory {
    /// What pods can still take: the eviction signal `memory.available`.
    pub(crate) fn available(&self) -> u64 {
        self.total.saturating_sub(self.working_set)
    }
}

/// A file system, in bytes and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileSystem {
    pub(crate) capacity: u64,
    pub(crate) available: u64,
    pub(crate) used: u64,
    pub(crate) inodes: u64,
    pub(crate) inodes_free: u64,
}

/// Processes and threads: how many there may be and are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Processes {
    pub(crate) most: u64,
    pub(crate) running: u64,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { proc: "/proc".into() }
    }

    /// CPU time of all cores since the machine started, and when that was.
    pub(crate) fn cpu(&self) -> io::Result<(Duration, Timestamp)> {
        let stat = self.read("stat")?;
        parse_cpu(&stat, rustix::param::clock_ticks_per_second()).ok_or_else(|| self.strange("stat"))
    }

    pub(crate) fn memory(&self) -> io::Result<Memory> {
        parse_memory(&self.read("meminfo")?).ok_or_else(|| self.strange("meminfo"))
    }

    pub(crate) fn processes(&self) -> io::Result<Processes> {
        let most = |name: &str| -> io::Result<u64> { self.read(name)?.trim().parse().map_err(|_| self.strange(name)) };
        // Which of the two binds depends on the machine, as `pkg/kubelet/stats/pidlimit` has it.
        let most = most("sys/kernel/pid_max")?.min(most("sys/kernel/threads-max")?);
        let running = parse_threads(&self.read("loadavg")?).ok_or_else(|| self.strange("loadavg"))?;
        Ok(Processes { most, running })
    }

    fn read(&self, name: &str) -> io::Result<String> {
        let path = self.proc.join(name);
        std::fs::read_to_string(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("failed to read {}: {error}", path.display())))
    }

    fn strange(&self, name: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("{} is not as expected", self.proc.join(name).display()))
    }
}

/// The file system a path lies on.
pub(crate) fn file_system(path: &Path) -> io::Result<FileSystem> {
    let found = rustix::fs::statvfs(path).map_err(|error| {
        io::Error::other(format!("failed to look at the file system of {}: {error}", path.display()))
    })?;
    Ok(FileSystem {
        capacity: found.f_blocks * found.f_frsize,
        available: found.f_bavail * found.f_frsize,
        used: found.f_blocks.saturating_sub(found.f_bfree) * found.f_frsize,
        inodes: found.f_files,
        inodes_free: found.f_favail,
    })
}

/// `cpu user nice system idle iowait irq softirq steal …` in ticks, and `btime` in seconds. Guests' time is in the user's already.
fn parse_cpu(stat: &str, ticks_per_second: u64) -> Option<(Duration, Timestamp)> {
    let fields = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = fields.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|field| ticks.get(*field)).sum::<u64>();
    let started = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let used =
        Duration::from_nanos(u64::try_from(u128::from(busy) * 1_000_000_000 / u128::from(ticks_per_second)).ok()?);
    Some((used, Timestamp::from_second(started).ok()?))
}

fn parse_memory(text: &str) -> Option<Memory> {
    let kilobytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    let (total, free) = (kilobytes("MemTotal")? * 1024, kilobytes("MemFree")? * 1024);
    let used = total.saturating_sub(free);
    let working_set = used.saturating_sub(kilobytes("Inactive(file)")? * 1024);
    Some(Memory { total, used, working_set })
}

/// `0.20 0.18 0.12 1/80 11206`: the fourth field ends with how many threads there are.
fn parse_threads(loadavg: &str) -> Option<u64> {
    loadavg.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

//! The outside world as the parts see it: the wall clock and the system's randomness. Nothing below the command line reads either.

use std::path::Path;
use std::sync::Arc;

use sampan_meta::{Clock, Entropy};

/// The machine's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the wall clock comes in")]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// The kernel's random numbers.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        use rand::TryRngCore;
        rand::rngs::OsRng.try_fill_bytes(buffer).expect("the kernel gives random bytes once it has started");
    }
}

/// Both, as the parts take them.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Outside {
    pub(crate) fn real() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }
}

/// What the machine says of itself, for `kubectl describe node`.
pub(crate) fn system() -> sampan_node::System {
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    sampan_node::System {
        version: crate::version::kubelet(),
        architecture: go_architecture().to_owned(),
        operating_system: "linux".into(),
        os_image: os_image(&read("/etc/os-release")),
        kernel_version: read("/proc/sys/kernel/osrelease"),
        machine_id: read("/etc/machine-id"),
        system_uuid: read("/sys/class/dmi/id/product_uuid"),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
    }
}

/// Kubernetes names architectures as Go does.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn os_image(os_release: &str) -> String {
    let pretty = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    pretty.unwrap_or("Linux").trim_matches('"').to_owned()
}

/// What the machine has for pods. `data` is on the disk that images and volumes fill.
pub(crate) fn capacity(data: &Path, pods: u32) -> sampan_node::Capacity {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let disk = rustix::fs::statvfs(data).map_or(0, |disk| disk.f_blocks.saturating_mul(disk.f_frsize));
    sampan_node::Capacity {
        cpu_millis: u64::try_from(cores).unwrap_or(1).saturating_mul(1000),
        memory_bytes: memory_total(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        ephemeral_storage_bytes: disk,
        pods,
    }
}

fn memory_total(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or(1 << 20).saturating_mul(1024)
}

/// The machine's own name resolution, for pods with `dnsPolicy: Default`.
pub(crate) fn host_dns() -> sampan_runtime::DnsConfig {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let words = |key: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix(key));
        lines.filter(|rest| rest.starts_with([' ', '\t'])).flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    sampan_runtime::DnsConfig {
        servers: words("nameserver").iter().filter_map(|server| server.parse().ok()).collect(),
        searches: words("search"),
        options: words("options"),
    }
}

/// The machine's name, as a node name: lower case.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().to_lowercase();
    if name.is_empty() { "node".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_describes_itself() {
        assert_eq!(os_image("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"), "Debian GNU/Linux 12");
        assert_eq!(os_image(""), "Linux");
        assert_eq!(memory_total("MemTotal:       24646184 kB\nMemFree: 1 kB\n"), 24_646_184 << 10);
    }
}

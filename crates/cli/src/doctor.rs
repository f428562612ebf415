//! `sampan doctor`: what this machine offers pods, and what to do about what is missing. Wasm pods need none of what it looks for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use sampan_containers::{CgroupConfig, Config, CriRuntime, SandboxImage};
use sampan_runtime::Runtime as _;

use crate::arguments::Doctor;
use crate::containers;

/// What is so on this machine.
struct Facts {
    kernel: String,
    is_root: bool,
    cgroups: Cgroups,
    /// May set negative scores for the out-of-memory killer.
    shields_from_oom: bool,
    socket: PathBuf,
    containerd: Containerd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cgroups {
    Unified,
    Legacy,
    Missing,
}

enum Containerd {
    /// Nothing is at the socket's place.
    Absent,
    /// It answers, but something is amiss.
    Unready(String),
    Ready {
        version: String,
        sandbox: Option<SandboxImage>,
    },
}

/// One line of the report.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    good: bool,
    what: String,
    hint: Option<&'static str>,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self { good: true, what: what.into(), hint: None }
    }

    fn bad(what: impl Into<String>, hint: &'static str) -> Self {
        Self { good: false, what: what.into(), hint: Some(hint) }
    }

    fn line(&self) -> String {
        let mark = if self.good { "ok" } else { "missing" };
        let hint = self.hint.map(|hint| format!("\n         hint: {hint}")).unwrap_or_default();
        format!("{mark:8} {}{hint}", self.what)
    }
}

pub(crate) async fn run(options: Doctor) -> Result<()> {
    let facts = look(&options).await;
    let report: Vec<String> = examine(&facts).iter().map(Finding::line).collect();
    say(&report.join("\n"));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
fn say(report: &str) {
    println!("{report}");
}

async fn look(options: &Doctor) -> Facts {
    let socket = PathBuf::from(options.containerd.as_deref().unwrap_or(containers::USUAL));
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    Facts {
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        is_root: rustix::process::geteuid().is_root(),
        cgroups: cgroups(),
        shields_from_oom: has_capability(&read("/proc/self/status"), SYS_RESOURCE),
        containerd: ask(&socket).await,
        socket,
    }
}

fn cgroups() -> Cgroups {
    let has = |path: &str| Path::new("/sys/fs/cgroup").join(path).exists();
    match (has("cgroup.controllers"), has("memory")) {
        (true, _) => Cgroups::Unified,
        (false, true) => Cgroups::Legacy,
        (false, false) => Cgroups::Missing,
    }
}

/// From linux/capability.h.
const SYS_RESOURCE: u32 = 24;

fn has_capability(status: &str, number: u32) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << number) != 0)
}

async fn ask(socket: &Path) -> Containerd {
    if !socket.exists() {
        return Containerd::Absent;
    }
    let runtime: Arc<CriRuntime> = CriRuntime::new(Config {
        socket: socket.to_owned(),
        owner: String::new(),
        mirrors: Vec::new(),
        cgroups: CgroupConfig { mount: "/sys/fs/cgroup".into(), root: "/".to_owned(), pids: None },
        archives: None,
    });
    match tokio::time::timeout(Duration::from_secs(5), runtime.status()).await {
        Ok(Ok(status)) => {
            let sandbox = runtime.sandbox_image().await.ok().flatten();
            Containerd::Ready { version: status.version, sandbox }
        }
        Ok(Err(error)) => Containerd::Unready(error.to_string()),
        Err(_) => Containerd::Unready("it does not answer within 5 s".to_owned()),
    }
}

fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![
        Finding::good(format!("Wasm pods: kernel {}", facts.kernel)),
        match facts.is_root {
            true => Finding::good("root"),
            false => Finding::bad("root: containers need it, Wasm pods do not", "start sampan as root"),
        },
        match facts.cgroups {
            Cgroups::Unified => Finding::good("cgroups, version 2"),
            Cgroups::Legacy => Finding::good("cgroups, version 1"),
            Cgroups::Missing => Finding::bad(
                "cgroups: containers get no limits without",
                "mount them: mount -t cgroup2 none /sys/fs/cgroup",
            ),
        },
    ];
    findings.extend(containerd(facts));
    findings
}

fn containerd(facts: &Facts) -> Vec<Finding> {
    let place = facts.socket.display();
    match &facts.containerd {
        Containerd::Absent => vec![Finding::bad(
            format!("containerd: nothing is at {place}"),
            "install it with apt-get install containerd runc containernetworking-plugins and start it, or name its socket with --containerd",
        )],
        Containerd::Unready(why) => {
            vec![Finding::bad(format!("containerd at {place}: {why}"), "see its log: journalctl -u containerd")]
        }
        Containerd::Ready { version, sandbox } => {
            let mut findings = vec![Finding::good(format!("{version} at {place}, with a pod network"))];
            findings.extend(sandbox.as_ref().map(sandbox_image));
            if !facts.shields_from_oom {
                findings.push(Finding::bad(
                    "CAP_SYS_RESOURCE: containerd fails to start pods without unless told so",
                    "set restrict_oom_score_adj = true for containerd's cri plugin",
                ));
            }
            findings
        }
    }
}

fn sandbox_image(image: &SandboxImage) -> Finding {
    let SandboxImage { name, present } = image;
    match present {
        true => Finding::good(format!("sandbox image {name}")),
        false => Finding::bad(
            format!("sandbox image {name}: it is pulled with the first pod"),
            "where there is no network, bring it with: ctr -n k8s.io images import FILE",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(change: impl FnOnce(&mut Facts)) -> String {
        let mut facts = Facts {
            kernel: "6.1.0".into(),
            is_root: true,
            cgroups: Cgroups::Unified,
            shields_from_oom: true,
            socket: "/run/containerd/containerd.sock".into(),
            containerd: Containerd::Absent,
        };
        change(&mut facts);
        examine(&facts).iter().map(|finding| format!("{}\n", finding.line())).collect()
    }

    #[test]
    fn a_machine_without_containerd_is_told_how_to_get_it() {
        let report = report(|_| {});
        assert!(
            report.starts_with("ok       Wasm pods: kernel 6.1.0\nok       root\nok       cgroups, version 2\n"),
            "{report}"
        );
        assert!(
            report.contains(
                "missing  containerd: nothing is at /run/containerd/containerd.sock\n         hint: install it"
            ),
            "{report}"
        );
    }

    #[test]
    fn what_a_ready_containerd_lacks_is_named() {
        let report = report(|facts| {
            let sandbox = Some(SandboxImage { name: "registry.k8s.io/pause:3.6".into(), present: false });
            facts.containerd = Containerd::Ready { version: "containerd://1.6.20".into(), sandbox };
            facts.shields_from_oom = false;
        });
        for words in [
            "ok       containerd://1.6.20 at",
            "missing  sandbox image registry.k8s.io/pause:3.6",
            "restrict_oom_score_adj",
        ] {
            assert!(report.contains(words), "{report}");
        }
    }

    #[test]
    fn capabilities_are_read_from_the_kernels_words() {
        assert!(has_capability("Name:\tx\nCapEff:\t000001ffffffffff\n", SYS_RESOURCE));
        assert!(!has_capability("CapEff:\t000001fffeffffff\n", SYS_RESOURCE));
        assert!(!has_capability("", SYS_RESOURCE));
    }
}

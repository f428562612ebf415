//! The files of both versions of control groups, and what stands in them.

use std::io;
use std::path::{Path, PathBuf};

use sampan_runtime::PodResources;

use super::below;
use crate::translate::{CPU_PERIOD, cpu_quota, cpu_shares};

/// Controllers that pods are bounded by, and in which their groups therefore have to be.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// How control groups are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// A tree per controller.
    One,
    /// One tree for all.
    Two,
}

/// A tree, a file in the group's directory in it, and what is written there.
type Line = (PathBuf, &'static str, String);

impl Version {
    /// `None` where none are mounted.
    pub(super) fn of(mount: &Path) -> Option<Self> {
        if mount.join("cgroup.controllers").exists() {
            return Some(Self::Two);
        }
        mount.join("memory").exists().then_some(Self::One)
    }

    /// Roots of trees in which groups are made here.
    pub(super) fn controlled(self, mount: &Path) -> Vec<PathBuf> {
        match self {
            Self::One => CONTROLLERS.iter().map(|name| mount.join(name)).filter(|tree| tree.exists()).collect(),
            Self::Two => vec![mount.to_owned()],
        }
    }

    /// Roots of all trees: containerd makes groups in each.
    pub(super) fn trees(self, mount: &Path) -> Vec<PathBuf> {
        match self {
            Self::One => super::pods_of(mount).unwrap_or_default(),
            Self::Two => vec![mount.to_owned()],
        }
    }

    /// Makes a group and those it lies in. In the one tree of version 2 a group has the controllers that the one above it hands down.
    pub(super) fn make(self, tree: &Path, group: &str) -> io::Result<()> {
        std::fs::create_dir_all(below(tree, group))?;
        if self == Self::One {
            return Ok(());
        }
        let mut above = tree.to_owned();
        for name in group.split('/').filter(|name| !name.is_empty()) {
            hand_down(&above)?;
            above.push(name);
        }
        hand_down(&above)
    }

    /// What bounds a pod, as `ResourceConfigForPod` (pkg/kubelet/cm/helpers_linux.go).
    pub(super) fn limits(self, mount: &Path, resources: &PodResources, pids: Option<u64>) -> Vec<Line> {
        let PodResources { class: _, cpu_request_millis, cpu_limit_millis, memory_limit_bytes } = *resources;
        let quota = cpu_limit_millis.map(cpu_quota);
        let shares = cpu_shares(cpu_request_millis);
        let mut lines = match self {
            Self::One => vec![("cpu", "cpu.shares", Some(shares.to_string()))],
            Self::Two => vec![("", "cpu.weight", Some(weight(shares).to_string()))],
        };
        lines.extend(match self {
            Self::One => [
                ("cpu", "cpu.cfs_period_us", quota.map(|_| CPU_PERIOD.to_string())),
                ("cpu", "cpu.cfs_quota_us", quota.map(|quota| quota.to_string())),
                ("memory", "memory.limit_in_bytes", memory_limit_bytes.map(|bytes| bytes.to_string())),
                ("pids", "pids.max", pids.map(|pids| pids.to_string())),
            ],
            Self::Two => [
                ("", "cpu.max", quota.map(|quota| format!("{quota} {CPU_PERIOD}"))),
                ("", "memory.max", memory_limit_bytes.map(|bytes| bytes.to_string())),
                ("", "pids.max", pids.map(|pids| pids.to_string())),
                ("", "", None),
            ],
        });
        lines.into_iter().filter_map(|(tree, file, value)| Some((mount.join(tree), file, value?))).collect()
    }

    /// The tree and the file of a group's weight, and the most that may stand there.
    pub(super) fn weight(self, mount: &Path) -> (PathBuf, &'static str, u64) {
        match self {
            Self::One => (mount.join("cpu"), "cpu.shares", 262_144),
            Self::Two => (mount.to_owned(), "cpu.weight", 10_000),
        }
    }

    pub(super) fn least_weight(self) -> u64 {
        match self {
            Self::One => 2,
            Self::Two => 1,
        }
    }
}

/// Shares of version 1 as a weight of version 2, as KEP-2254 has it.
fn weight(shares: u64) -> u64 {
    1 + (shares - 2) * 9_999 / 262_142
}

fn hand_down(group: &Path) -> io::Result<()> {
    let there = std::fs::read_to_string(group.join("cgroup.controllers"))?;
    let wanted: Vec<String> =
        there.split_whitespace().filter(|name| hands_down(name)).map(|name| format!("+{name}")).collect();
    super::write(&group.join("cgroup.subtree_control"), &wanted.join(" "))
}

/// Those the containers in the groups are bounded by, too.
fn hands_down(controller: &str) -> bool {
    CONTROLLERS.contains(&controller) || matches!(controller, "cpuset" | "hugetlb" | "io")
}

//! The pods' place among the control groups, as the kubelet keeps it (pkg/kubelet/cm): `kubepods`, in it one group per class of service
//! (guaranteed pods have none to themselves), in those one per pod, in which containerd puts the containers.
//!
//! A pod's group bounds what its containers use together. The sizes of the classes are summed up from the groups themselves, so that
//! nothing about pods has to be known here. Where the groups cannot be written, containerd puts containers where it likes and their own
//! limits alone hold.

mod files;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sampan_runtime::{PodResources, ServiceClass};

use files::Version;

/// Where the groups are and what every pod is bounded by.
#[derive(Clone, Debug)]
pub struct CgroupConfig {
    /// Where control groups are mounted: `/sys/fs/cgroup`.
    pub mount: PathBuf,
    /// The group in which `kubepods` lies; `/` on a machine of its own, as the kubelet's `--cgroup-root`.
    pub root: String,
    /// Most processes and threads of a pod, as the kubelet's `podPidsLimit`.
    pub pids: Option<u64>,
}

/// Who names groups: containerd itself or systemd for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Cgroupfs,
    Systemd,
}

/// Makes and removes groups of pods.
#[derive(Debug)]
pub(crate) struct Cgroups {
    config: CgroupConfig,
    /// That they cannot be written was said.
    said: AtomicBool,
}

impl Cgroups {
    pub(crate) fn new(config: CgroupConfig) -> Self {
        Self { config, said: AtomicBool::new(false) }
    }

    /// Makes the pod's group, or brings it up to date, and answers what containerd calls it; empty when there can be none.
    pub(crate) fn open(&self, uid: &str, resources: &PodResources, driver: Driver) -> String {
        if driver == Driver::Systemd {
            // systemd makes its slices itself, and takes no advice in files.
            return slice(&self.config.root, resources.class, uid);
        }
        let group = self.group(resources.class, uid);
        match self.make(&group, resources) {
            Ok(()) => group,
            Err(error) => {
                if !self.said.swap(true, Ordering::Relaxed) {
                    let mount = self.config.mount.display();
                    tracing::warn!(%error, "no control groups for pods below {mount}: their containers' own limits alone hold");
                }
                String::new()
            }
        }
    }

    /// Removes the pod's group once nothing runs in it any more.
    pub(crate) fn close(&self, uid: &str, class: ServiceClass) {
        let Some(version) = Version::of(&self.config.mount) else { return };
        let group = self.group(class, uid);
        for tree in version.trees(&self.config.mount) {
            // Never made, or a sandbox made anew lives in it already.
            let _stays = std::fs::remove_dir(below(&tree, &group));
        }
        if let Err(error) = self.balance(version, class) {
            tracing::debug!(%error, "the share of a class of service stays as it was");
        }
    }

    fn make(&self, group: &str, resources: &PodResources) -> io::Result<()> {
        let mount = &self.config.mount;
        let none = || io::Error::new(io::ErrorKind::NotFound, format!("nothing is mounted on {}", mount.display()));
        let version = Version::of(mount).ok_or_else(none)?;
        for tree in version.controlled(mount) {
            version.make(&tree, group)?;
        }
        for (tree, file, value) in version.limits(mount, resources, self.config.pids) {
            write(&below(&tree, group).join(file), &value)?;
        }
        self.balance(version, resources.class)
    }

    /// Gives a class the weight of its pods together; best effort gets the least there is.
    fn balance(&self, version: Version, class: ServiceClass) -> io::Result<()> {
        let Some(class_group) = self.class_group(class) else { return Ok(()) };
        let (tree, file, most) = version.weight(&self.config.mount);
        let group = below(&tree, &class_group);
        let weights = match class {
            ServiceClass::BestEffort => 0,
            _ => pods_of(&group)?.iter().filter_map(|pod| read_number(&pod.join(file))).sum(),
        };
        write(&group.join(file), &weights.clamp(version.least_weight(), most).to_string())
    }

    fn class_group(&self, class: ServiceClass) -> Option<String> {
        let root = self.config.root.trim_end_matches('/');
        class_name(class).map(|name| format!("{root}/kubepods/{name}"))
    }

    fn group(&self, class: ServiceClass, uid: &str) -> String {
        let root = self.config.root.trim_end_matches('/');
        self.class_group(class).unwrap_or_else(|| format!("{root}/kubepods")) + &format!("/pod{uid}")
    }
}

fn class_name(class: ServiceClass) -> Option<&'static str> {
    match class {
        ServiceClass::Guaranteed => None,
        ServiceClass::Burstable => Some("burstable"),
        ServiceClass::BestEffort => Some("besteffort"),
    }
}

/// A group's name in systemd's words: every slice carries the names of those it lies in, and a dash parts them.
fn slice(root: &str, class: ServiceClass, uid: &str) -> String {
    let names = root.split('/').filter(|name| !name.is_empty()).chain(["kubepods"]).chain(class_name(class));
    let names: Vec<String> = names.map(|name| name.replace('-', "_")).collect();
    format!("{}-pod{}.slice", names.join("-"), uid.replace('-', "_"))
}

/// Groups' names begin with a slash.
fn below(tree: &Path, group: &str) -> PathBuf {
    tree.join(group.trim_start_matches('/'))
}

fn pods_of(class: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(class)?.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(entries.filter(|path| path.is_dir()).collect())
}

fn read_number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The file is the kernel's: it is written, not made anew.
fn write(path: &Path, value: &str) -> io::Result<()> {
    let written = std::fs::write(path, value);
    written.map_err(|error| {
        io::Error::new(error.kind(), format!("failed to write {value} to {}: {error}", path.display()))
    })
}

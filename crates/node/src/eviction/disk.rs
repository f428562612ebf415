//! How much disk a pod uses: its emptyDirs and its containers' logs.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::pod::facts;
use crate::pod::workers::View;

/// What a pod uses of the node's disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// All together.
    pub(super) bytes: u64,
    pub(super) inodes: u64,
    /// By the volume's name.
    pub(super) empty_dirs: BTreeMap<String, u64>,
    /// By the container's name.
    pub(super) logs: BTreeMap<String, u64>,
}

/// Walks through what the pod has written. What goes away meanwhile counts nothing.
pub(super) async fn used(context: &Context, view: &View) -> Used {
    let (pod, uid) = (&view.pod, facts::uid(&view.pod));
    let volumes = facts::spec(pod).into_iter().flat_map(|spec| spec.volumes.iter().flatten());
    // One in memory takes no disk, but its limit holds too.
    let empty_dirs = volumes.filter(|volume| volume.empty_dir.is_some());
    let empty_dirs: Vec<(String, PathBuf)> = empty_dirs
        .map(|volume| (volume.name.clone(), context.directories.volume(uid, "empty-dir", &volume.name)))
        .collect();
    let logs = context.directories.logs(facts::namespace(pod), facts::name(pod), uid);
    let logs: Vec<(String, PathBuf)> =
        facts::all_containers(pod).map(|container| (container.name.clone(), logs.join(&container.name))).collect();
    crate::blocking::run(move || measure(empty_dirs, logs)).await.unwrap_or_default()
}

fn measure(empty_dirs: Vec<(String, PathBuf)>, logs: Vec<(String, PathBuf)>) -> Used {
    let mut used = Used::default();
    let mut add = |path: &Path| {
        let (bytes, inodes) = tree(path).unwrap_or_default();
        used.bytes += bytes;
        used.inodes += inodes;
        bytes
    };
    let empty_dirs = empty_dirs.into_iter().map(|(name, path)| (name, add(&path))).collect();
    let logs = logs.into_iter().map(|(name, path)| (name, add(&path))).collect();
    Used { empty_dirs, logs, ..used }
}

/// Bytes on disk and inodes below a directory, itself included; a file with several names counts once a name.
fn tree(directory: &Path) -> io::Result<(u64, u64)> {
    let mut found = (0, 0);
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        found.1 += 1;
        for entry in entries.filter_map(Result::ok) {
            // Links are not followed: what they lead to is not the pod's.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else {
                found = (found.0 + metadata.blocks() * 512, found.1 + 1);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_directories_of_directories_counts_and_what_links_lead_to_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("file"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("/usr", directory.path().join("link")).unwrap();
        let (bytes, inodes) = tree(directory.path()).unwrap();
        assert!((100_000..120_000).contains(&bytes), "{bytes}");
        assert_eq!(inodes, 5);
        assert_eq!(tree(Path::new("/nowhere/at/all")).unwrap(), (0, 0));
    }
}

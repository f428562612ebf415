//! Mounts as preopened directories: all that WASI knows.
//!
//! A directory is opened as it is. WASI has no single files, so mounted files are hard-linked into a directory of the container's own,
//! one for each directory they appear in, and that is opened: the guest sees the file itself, with what is written to it, but not a
//! file that is later renamed over it (as with `subPath` mounts everywhere). Where no link can be made, the file is copied.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sampan_runtime::Mount;

/// A directory the guest finds open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preopen {
    pub(crate) source: PathBuf,
    pub(crate) target: String,
    pub(crate) read_only: bool,
}

/// Checks that everything is there and makes directories for files below `own`.
pub(crate) fn prepare(mounts: &[Mount], own: &Path) -> Result<Vec<Preopen>, String> {
    let mut preopens = Vec::new();
    let mut files: BTreeMap<String, Vec<&Mount>> = BTreeMap::new();
    for mount in mounts {
        let target = utf8(&mount.target)?;
        if !target.starts_with('/') {
            return Err(format!("mount path {target} must be absolute"));
        }
        let metadata = fs::metadata(&mount.source).map_err(|error| failed(mount, &error))?;
        if metadata.is_dir() {
            preopens.push(Preopen {
                source: mount.source.clone(),
                target: target.to_owned(),
                read_only: mount.read_only,
            });
        } else {
            let parent = mount.target.parent().unwrap_or_else(|| Path::new("/"));
            files.entry(utf8(parent)?.to_owned()).or_default().push(mount);
        }
    }
    for (index, (target, mounts)) in files.into_iter().enumerate() {
        if preopens.iter().any(|preopen| preopen.target == target) {
            return Err(format!(
                "a file cannot be mounted into {target}, which is a mount itself; mount it into another directory"
            ));
        }
        let source = own.join(format!("files-{index}"));
        fs::create_dir_all(&source).map_err(|error| format!("failed to make {}: {error}", source.display()))?;
        for mount in &mounts {
            link(mount, &source).map_err(|error| failed(mount, &error))?;
        }
        preopens.push(Preopen { source, target, read_only: mounts.iter().all(|mount| mount.read_only) });
    }
    Ok(preopens)
}

/// The innermost directory an absolute path lies in, and the rest of the path.
pub(crate) fn innermost<'a>(preopens: &'a [Preopen], path: &'a Path) -> Option<(&'a Preopen, &'a Path)> {
    let inside = preopens.iter().filter_map(|preopen| Some((preopen, path.strip_prefix(&preopen.target).ok()?)));
    inside.min_by_key(|(_, rest)| rest.as_os_str().len())
}

fn link(mount: &Mount, directory: &Path) -> std::io::Result<()> {
    let name = mount.target.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
    let path = directory.join(name);
    // Links are followed first: the guest could not follow one that leads out of its directory.
    let source = fs::canonicalize(&mount.source)?;
    if fs::hard_link(&source, &path).is_err() {
        fs::copy(&source, &path)?;
    }
    Ok(())
}

fn failed(mount: &Mount, error: &std::io::Error) -> String {
    format!("failed to mount {} at {}: {error}", mount.source.display(), mount.target.display())
}

fn utf8(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("mount path {} is not UTF-8, which WASI requires", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(source: &Path, target: &str) -> Mount {
        Mount { source: source.to_owned(), target: target.into(), read_only: true }
    }

    #[test]
    fn directories_are_opened_and_files_gathered_by_directory() {
        let node = tempfile::tempdir().unwrap();
        let (data, file, own) = (node.path().join("data"), node.path().join("file"), node.path().join("own"));
        fs::create_dir(&data).unwrap();
        fs::write(&file, "content").unwrap();
        let mounts = [mount(&data, "/data"), mount(&file, "/etc/a"), mount(&file, "/etc/b")];
        let preopens = prepare(&mounts, &own).unwrap();
        let targets: Vec<_> = preopens.iter().map(|preopen| preopen.target.as_str()).collect();
        assert_eq!(targets, ["/data", "/etc"]);
        assert_eq!(fs::read_to_string(preopens[1].source.join("b")).unwrap(), "content");
        assert!(preopens[1].read_only);
    }

    #[test]
    fn what_is_missing_or_cannot_be_is_said() {
        let node = tempfile::tempdir().unwrap();
        let message = prepare(&[mount(Path::new("/does/not/exist"), "/x")], node.path()).unwrap_err();
        assert_eq!(message, "failed to mount /does/not/exist at /x: No such file or directory (os error 2)");
        let message = prepare(&[mount(node.path(), "data")], node.path()).unwrap_err();
        assert_eq!(message, "mount path data must be absolute");
    }
}

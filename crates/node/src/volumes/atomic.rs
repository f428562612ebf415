//! A directory whose files all change at once, laid out as pkg/volume/util/atomic_writer.go does: files lie in a directory with a
//! time in its name, `..data` is a link to it that is swapped by rename, and what users see are links through `..data`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// One file to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) data: Vec<u8>,
    pub(super) mode: u32,
}

/// Makes `directory` hold exactly `files` (relative paths). Nothing is touched when it does already.
pub(super) fn write(directory: &Path, files: &BTreeMap<String, Content>, now: Timestamp) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let data = directory.join("..data");
    let old = fs::read_link(&data).ok();
    if old.is_some() && is_current(&data, files) {
        return Ok(());
    }
    let new = fresh(directory, now)?;
    for (path, content) in files {
        write_file(&directory.join(&new).join(path), content)?;
    }
    let next = directory.join("..data_tmp");
    let _left_by_a_crash = fs::remove_file(&next);
    symlink(&new, &next)?;
    fs::rename(&next, &data)?;
    show(directory, files)?;
    match old {
        Some(old) => fs::remove_dir_all(directory.join(old)),
        None => Ok(()),
    }
}

fn is_current(data: &Path, files: &BTreeMap<String, Content>) -> bool {
    let same = |(path, content): (&String, &Content)| {
        let path = data.join(path);
        let mode = fs::metadata(&path).map(|metadata| metadata.permissions().mode() & 0o7777);
        mode.is_ok_and(|mode| mode == content.mode) && fs::read(&path).is_ok_and(|data| data == content.data)
    };
    files.iter().all(same) && count(data) == files.len()
}

fn count(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}

/// A directory that was not there before, named by the time.
fn fresh(directory: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let time = now.strftime("..%Y_%m_%d_%H_%M_%S").to_string();
    let mut number = now.subsec_nanosecond();
    loop {
        let name = PathBuf::from(format!("{time}.{number}"));
        match fs::create_dir(directory.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
            Ok(()) => {
                fs::set_permissions(directory.join(&name), fs::Permissions::from_mode(0o755))?;
                return Ok(name);
            }
        }
    }
}

fn write_file(path: &Path, content: &Content) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, &content.data)?;
    // After writing: the umask has no say, and a file without write permission can still be written once.
    fs::set_permissions(path, fs::Permissions::from_mode(content.mode))
}

/// Links for what is new, none for what is gone.
fn show(directory: &Path, files: &BTreeMap<String, Content>) -> io::Result<()> {
    let top: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !top.contains(&*name) {
            fs::remove_file(directory.join(&*name))?;
        }
    }
    for name in top {
        match symlink(Path::new("..data").join(name), directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

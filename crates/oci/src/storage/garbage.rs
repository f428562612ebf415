//! Content nobody refers to any more: found and removed while the registry is opened.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use super::files::{BLOBS, Files, MANIFESTS};

/// Removes content that is in no repository.
pub(super) fn collect(files: &Files) -> io::Result<()> {
    let mut used = HashSet::new();
    mark(files, &files.repositories(), &mut used)?;
    let mut removed = 0_u64;
    for shard in files.list(&files.blobs())?.unwrap_or_default() {
        let directory = files.blobs().join(shard);
        for name in files.list(&directory)?.unwrap_or_default() {
            if !used.contains(&name) {
                fs::remove_file(directory.join(name))?;
                removed += 1;
            }
        }
    }
    if removed > 0 {
        tracing::info!(removed, "removed content that is in no repository");
    }
    Ok(())
}

/// Notes what the repositories in and below a directory refer to.
fn mark(files: &Files, directory: &Path, used: &mut HashSet<String>) -> io::Result<()> {
    for name in files.list(directory)?.unwrap_or_default() {
        let path = directory.join(&name);
        match name.as_str() {
            BLOBS | MANIFESTS => used.extend(files.list(&path)?.unwrap_or_default()),
            _ if !name.starts_with('_') => mark(files, &path, used)?,
            _ => {}
        }
    }
    Ok(())
}

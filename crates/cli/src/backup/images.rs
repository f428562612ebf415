//! The embedded registry's files. They are named by their content or appear whole, so that they can be copied while it serves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The files of a registry that are finished, as paths below it; uploads on their way are their clients' to repeat.
pub(super) fn list(registry: &Path) -> Result<Vec<PathBuf>> {
    let (mut names, mut content) = (Vec::new(), Vec::new());
    // In this order: what a name stands for is there before the name is.
    walk(&registry.join("repositories"), &mut names)?;
    walk(&registry.join("blobs"), &mut content)?;
    names.sort();
    content.sort();
    let below = |path: PathBuf| path.strip_prefix(registry).map(Path::to_owned);
    content.into_iter().chain(names).map(below).collect::<Result<_, _>>().context("they were found below it")
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("failed to look into {}", directory.display()))?,
    };
    for entry in entries {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => walk(&entry.path(), files)?,
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    Ok(())
}

//! Files of the directories that the host opened for the component: a pod's volumes, by their mount paths.

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

/// The text of a file, by its absolute path.
pub fn read(path: &str) -> Result<String, String> {
    let contents = with(path, |directory, rest| {
        let file = directory.open_at(PathFlags::SYMLINK_FOLLOW, rest, OpenFlags::empty(), DescriptorFlags::READ)?;
        let mut contents = Vec::new();
        loop {
            let (bytes, end) = file.read(65536, contents.len() as u64)?;
            contents.extend(bytes);
            if end {
                return Ok(contents);
            }
        }
    })?;
    String::from_utf8(contents).map_err(|_| format!("{path} is not text"))
}

/// The names in a directory, by its absolute path, sorted; without those that begin with a dot, with which Kubernetes keeps its own
/// book in the volumes of ConfigMaps and Secrets.
pub fn list(path: &str) -> Result<Vec<String>, String> {
    let mut names = with(path, |directory, rest| {
        let rest = if rest.is_empty() { "." } else { rest };
        let directory =
            directory.open_at(PathFlags::SYMLINK_FOLLOW, rest, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
        let entries = directory.read_directory()?;
        let mut names = Vec::new();
        while let Some(entry) = entries.read_directory_entry()? {
            names.push(entry.name);
        }
        Ok(names)
    })?;
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

/// Finds the open directory that holds the path, the innermost of several, and what is left of the path in it.
fn with<T>(path: &str, act: impl FnOnce(&Descriptor, &str) -> Result<T, ErrorCode>) -> Result<T, String> {
    let directories = get_directories();
    let inside = |name: &str| {
        Some(path.strip_prefix(name.trim_end_matches('/'))?).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let held = directories.iter().filter_map(|(directory, name)| Some((directory, inside(name)?)));
    let (directory, rest) =
        held.min_by_key(|(_, rest)| rest.len()).ok_or_else(|| format!("nothing is mounted at {path}"))?;
    act(directory, rest.trim_start_matches('/')).map_err(|error| format!("{path}: {}", error.message()))
}

//! Files that hold secrets: complete or absent, readable by their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Error;

const OWNER_ONLY: u32 = 0o600;

/// Makes the directory, for its owner alone, if it is not there.
pub(super) fn make_directory(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// The whole text; `None` when there is no such file. A file others may read is closed to them first.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(Error::Damaged { path: path.to_owned(), why: "it is not text".to_owned() });
        }
        Err(error) => return Err(failed(error)),
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{:o}", mode & 0o777), "file was open to others, now it is not");
        fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY)).map_err(failed)?;
    }
    Ok(Some(text))
}

/// Puts the text in place of what was there, all of it or nothing, and returns once it is on the disk.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    write_through(path, text).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn write_through(path: &Path, text: &str) -> io::Result<()> {
    let draft = draft_of(path);
    // A draft left by a crash may have another mode; only a file made here has the right one from its first byte.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".draft");
    path.with_file_name(name)
}

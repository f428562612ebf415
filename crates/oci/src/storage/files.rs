//! Paths, and operations on files that leave the whole or nothing.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::name::{Digest, Repository, Tag};

pub(super) const BLOBS: &str = "_blobs";
pub(super) const MANIFESTS: &str = "_manifests";
pub(super) const TAGS: &str = "_tags";
pub(super) const REFERRERS: &str = "_referrers";

/// The files below one directory, held for one process.
pub(super) struct Files {
    root: PathBuf,
    generation: u64,
    drafts: AtomicU64,
    /// Locked as long as it is open.
    _lock: File,
}

impl Files {
    /// Takes possession of the directory, making it if it is not there, and empties it of what was not finished.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        make_directory(root)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(root.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(ErrorKind::ResourceBusy, "another process has it open"),
            TryLockError::Error(error) => error,
        })?;
        for unfinished in ["uploads", "drafts"] {
            let directory = root.join(unfinished);
            match fs::remove_dir_all(&directory) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => make_directory(&directory)?,
            }
        }
        let mut files = Self { root: root.to_owned(), generation: 0, drafts: AtomicU64::new(0), _lock: lock };
        let before = files.read_text(&root.join("generation"))?.and_then(|text| text.trim().parse().ok());
        files.generation = before.unwrap_or(0_u64).saturating_add(1);
        files.write(&root.join("generation"), files.generation.to_string().as_bytes())?;
        Ok(files)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    pub(super) fn repositories(&self) -> PathBuf {
        self.root.join("repositories")
    }

    /// Where content with this digest lies.
    pub(super) fn content(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(&digest.hex()[..2]).join(digest.hex())
    }

    fn repository(&self, name: &Repository) -> PathBuf {
        self.repositories().join(name.as_str())
    }

    pub(super) fn blob_link(&self, name: &Repository, digest: &Digest) -> PathBuf {
        self.repository(name).join(BLOBS).join(digest.hex())
    }

    pub(super) fn manifest_link(&self, name: &Repository, digest: &Digest) -> PathBuf {
        self.repository(name).join(MANIFESTS).join(digest.hex())
    }

    pub(super) fn tags(&self, name: &Repository) -> PathBuf {
        self.repository(name).join(TAGS)
    }

    pub(super) fn tag(&self, name: &Repository, tag: &Tag) -> PathBuf {
        self.tags(name).join(tag.as_str())
    }

    pub(super) fn referrers(&self, name: &Repository, subject: &Digest) -> PathBuf {
        self.repository(name).join(REFERRERS).join(subject.hex())
    }

    /// Whether anything was ever pushed there.
    pub(super) fn has_repository(&self, name: &Repository) -> io::Result<bool> {
        Ok(self.repository(name).join(BLOBS).try_exists()? || self.repository(name).join(MANIFESTS).try_exists()?)
    }

    pub(super) fn open_blob(&self, name: &Repository, digest: &Digest) -> io::Result<Option<File>> {
        if !self.blob_link(name, digest).try_exists()? {
            return Ok(None);
        }
        found(File::open(self.content(digest)))
    }

    /// Moves a complete file to where content with this digest lies.
    pub(super) fn adopt(&self, path: &Path, digest: &Digest) -> io::Result<()> {
        let target = self.content(digest);
        make_parents(&target)?;
        fs::rename(path, &target)?;
        sync_parent(&target)
    }

    /// Puts a file in its place, whole, and returns once it is on the disk.
    pub(super) fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        make_parents(path)?;
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let draft = self.root.join("drafts").join(number.to_string());
        let written = write_new(&draft, content).and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            // On a full disk the draft would keep it full.
            let _ = fs::remove_file(&draft);
        }
        written.and_then(|()| sync_parent(path))
    }

    pub(super) fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        found(fs::read(path))
    }

    pub(super) fn read_text(&self, path: &Path) -> io::Result<Option<String>> {
        found(fs::read_to_string(path))
    }

    /// Whether it was there.
    pub(super) fn remove(&self, path: &Path) -> io::Result<bool> {
        match found(fs::remove_file(path))? {
            Some(()) => sync_parent(path).map(|()| true),
            None => Ok(false),
        }
    }

    /// The names in a directory, sorted; `None` when it is not there.
    pub(super) fn list(&self, directory: &Path) -> io::Result<Option<Vec<String>>> {
        let Some(entries) = found(fs::read_dir(directory))? else { return Ok(None) };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(Some(names))
    }
}

/// Nothing there is an answer, not an error. A part of the path that is a file is nothing there as well.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes the directories above a path; each is on the disk in its parent when this returns.
fn make_parents(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    if parent.try_exists()? {
        return Ok(());
    }
    make_parents(parent)?;
    make_directory(parent)?;
    sync_parent(parent)
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

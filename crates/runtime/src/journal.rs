//! A small map on disk: what each key held last, as lines appended to one file.
//!
//! A file for each pod costs an inode that is made and, a moment later, renamed away; file systems are slow at just that (ext4 looks at
//! every inode deleted lately before it gives out a new one). Appending a line costs a write.
//!
//! A crash loses at most the last changes, never earlier ones: a line that is not whole is cut off. The file is written anew, and
//! swapped in by rename, when most of it is out of date.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes out of date that are not worth writing the file anew for.
const SLACK: u64 = 256 << 10;

/// The journal in one file, of which there is one writer.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    index: HashMap<String, Place>,
    /// Length of the file in bytes.
    end: u64,
    /// Bytes of lines that hold.
    live: u64,
}

/// Where a key's content lies, in bytes.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u64,
    length: usize,
}

impl Journal {
    /// Opens the journal, readable by its owner alone, and makes it when it is not there. Blocking, as all of this.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let file = options().open(&path)?;
        let content = std::fs::read(&path)?;
        let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if whole < content.len() {
            file.set_len(whole as u64)?;
        }
        let mut journal = Self { path, file, index: HashMap::new(), end: 0, live: 0 };
        content[..whole].split_inclusive(|byte| *byte == b'\n').for_each(|line| journal.read(line));
        Ok(journal)
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The keys that hold something, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// What the key holds.
    ///
    /// # Errors
    /// What the file system says.
    pub fn get(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(place) = self.index.get(key) else { return Ok(None) };
        let mut content = vec![0; place.length];
        self.file.read_exact_at(&mut content, place.start)?;
        Ok(Some(content))
    }

    /// Writes changes, `None` (or nothing) to remove a key; all of them by one write. They outlive the process, a loss of power only after
    /// [`Journal::sync`].
    ///
    /// # Errors
    /// What the file system says; a key with a tab or line break and content with a line break are `InvalidInput`, and nothing is written.
    pub fn write<'a>(&mut self, changes: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> io::Result<()> {
        let lines = encode(changes)?;
        if let Err(error) = self.file.write_all(&lines) {
            // What was written of it would spoil the line that comes next.
            self.file.set_len(self.end)?;
            return Err(error);
        }
        lines.split_inclusive(|byte| *byte == b'\n').for_each(|line| self.read(line));
        if self.end > 2 * self.live + SLACK { self.compact() } else { Ok(()) }
    }

    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Takes note of a line at the end of the file.
    fn read(&mut self, line: &[u8]) {
        let start = self.end;
        self.end += line.len() as u64;
        let Some((key, content)) = parse(line) else { return };
        let before = if content.is_empty() {
            self.index.remove(key)
        } else {
            let place = Place { start: start + key.len() as u64 + 1, length: content.len() };
            self.live += line_length(key, place);
            self.index.insert(key.to_owned(), place)
        };
        self.live -= before.map_or(0, |place| line_length(key, place));
    }

    fn compact(&mut self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let _left_by_a_crash = std::fs::remove_file(&new);
        let mut journal = Journal::open(&new)?;
        for key in self.index.keys() {
            let content = self.get(key)?;
            let line = encode([(key.as_str(), content.as_deref())])?;
            journal.file.write_all(&line)?;
            journal.read(&line);
        }
        journal.sync()?;
        std::fs::rename(new, &self.path)?;
        let path = std::mem::take(&mut self.path);
        *self = Journal { path, ..journal };
        Ok(())
    }
}

/// Content of a journal that somebody else writes, or wrote: what each key held at this moment. Blocking.
///
/// # Errors
/// What the file system says; a file that is not there holds nothing.
pub fn read(path: &Path) -> io::Result<HashMap<String, Vec<u8>>> {
    let content = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        content => content?,
    };
    let mut held = HashMap::new();
    for (key, content) in content.split_inclusive(|byte| *byte == b'\n').filter_map(parse) {
        match content {
            [] => held.remove(key),
            _ => held.insert(key.to_owned(), content.to_owned()),
        };
    }
    Ok(held)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options
}

/// A line is a key, a tab and content; without content the key is removed.
fn encode<'a>(changes: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for (key, content) in changes {
        let content = content.unwrap_or_default();
        if key.contains(['\t', '\n']) || content.contains(&b'\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{key:?} cannot be kept in one line")));
        }
        lines.extend_from_slice(key.as_bytes());
        lines.push(b'\t');
        lines.extend_from_slice(content);
        lines.push(b'\n');
    }
    Ok(lines)
}

fn parse(line: &[u8]) -> Option<(&str, &[u8])> {
    let line = line.strip_suffix(b"\n")?;
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    Some((std::str::from_utf8(&line[..tab]).ok()?, &line[tab + 1..]))
}

fn line_length(key: &str, place: Place) -> u64 {
    (key.len() + place.length + 2) as u64
}

#[cfg(test)]
mod tests;

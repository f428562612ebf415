//! The file under a log: `path`, then `path.1`, `path.2`, … from newer to older.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sampan_runtime::LogConfig;

/// Appends whole lines and rotates. It keeps no file open between writes: a node has thousands of logs, most of them silent.
pub(super) struct RotatingFile {
    config: LogConfig,
}

impl RotatingFile {
    pub(super) fn new(config: LogConfig) -> Self {
        RotatingFile { config }
    }

    pub(super) fn path(&self) -> &Path {
        &self.config.path
    }

    /// Appends lines, each in one file whole. An error leaves the lines before it written.
    pub(super) fn write(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.config.path)?;
            let size = file.metadata()?.len();
            let room = self.config.max_bytes.max(1).saturating_sub(size);
            let fits = fitting(lines, room);
            if fits == 0 && size > 0 {
                self.rotate()?;
                continue;
            }
            let (now, rest) = lines.split_at(if fits == 0 { first_line(lines) } else { fits });
            append(&mut file, size, now)?;
            lines = rest;
        }
        Ok(())
    }

    fn rotate(&self) -> io::Result<()> {
        let kept = self.config.max_files.max(1) - 1;
        if kept == 0 {
            return fs::remove_file(&self.config.path);
        }
        for number in (1..kept).rev() {
            ignore_missing(fs::rename(self.numbered(number), self.numbered(number + 1)))?;
        }
        fs::rename(&self.config.path, self.numbered(1))
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.config.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// Appends all or nothing, so that a full disk leaves no half line for the next to be glued to.
fn append(file: &mut File, size: u64, lines: &[u8]) -> io::Result<()> {
    file.write_all(lines).inspect_err(|_| {
        // What cannot be cut off again is at worst one broken line.
        let _ = file.set_len(size);
    })
}

/// Bytes of the leading whole lines that fit into `room`.
fn fitting(lines: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(lines.len());
    lines[..room].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

fn first_line(lines: &[u8]) -> usize {
    lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

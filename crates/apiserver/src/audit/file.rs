//! A file that is put aside when it is large, as kube-apiserver's log is (`--audit-log-maxsize`, `-maxbackup`, `-maxage`).
//!
//! `audit.log` becomes `audit-2026-01-02T03-04-05.000.log`. What is put aside is deleted once there are too many of it or it is too old.
//! All of them are their owner's alone: they say who read which secret.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sampan_meta::Clock;

use super::Sink;

const STAMP: &str = "%Y-%m-%dT%H-%M-%S.%3f";

/// How much is kept.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// The file; the others lie beside it.
    pub path: PathBuf,
    /// The bytes at which it is put aside.
    pub max_size: u64,
    /// How many of those put aside are kept; 0: all.
    pub max_backups: usize,
    /// How long they are kept; zero: for ever.
    pub max_age: Duration,
}

/// See the module.
pub struct LogFile {
    options: FileOptions,
    clock: Arc<dyn Clock>,
    /// `None` after a failure: opened anew for the next lines.
    open: Option<(File, u64)>,
}

impl LogFile {
    /// Opens the file to append to it, and makes it and its directory when they are not there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(options: FileOptions, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let open = Some(open(&options.path)?);
        let file = Self { options, clock, open };
        file.prune()?;
        Ok(file)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut file, size) = match self.open.take() {
            Some(open) => open,
            None => open(&self.options.path)?,
        };
        file.write_all(bytes)?;
        self.open = Some((file, size + bytes.len() as u64));
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn open_anew(&mut self) {
        self.open = None;
    }

    fn put_aside(&mut self) -> io::Result<()> {
        self.open = None;
        let (directory, stem, extension) = parts(&self.options.path);
        let stamp = self.clock.now().strftime(STAMP).to_string();
        let mut aside = directory.join(format!("{stem}-{stamp}{extension}"));
        // Two within a millisecond, or a clock that was set back.
        let mut next = 1;
        while aside.exists() {
            aside = directory.join(format!("{stem}-{stamp}-{next}{extension}"));
            next += 1;
        }
        fs::rename(&self.options.path, aside)?;
        self.prune()
    }

    fn prune(&self) -> io::Result<()> {
        let (directory, stem, extension) = parts(&self.options.path);
        let mut backups = Vec::new();
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(since) = put_aside_at(&name, &stem, &extension) {
                backups.push((since, name));
            }
        }
        for name in superfluous(backups, self.clock.now(), &self.options) {
            fs::remove_file(directory.join(name))?;
        }
        Ok(())
    }
}

impl Sink for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut rest = lines;
        while !rest.is_empty() {
            let size = self.open.as_ref().map_or(0, |(_, size)| *size);
            let fits = whole_lines(rest, self.options.max_size.saturating_sub(size));
            if fits == 0 && size > 0 {
                self.put_aside()?;
                continue;
            }
            // A line that is longer than a file may be gets one of its own.
            let (now, later) = rest.split_at(if fits == 0 { first_line(rest) } else { fits });
            self.append(now)?;
            rest = later;
        }
        Ok(())
    }
}

/// The bytes of the lines that fit into `room`.
fn whole_lines(lines: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if lines.len() <= room {
        return lines.len();
    }
    lines[..room].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

fn first_line(lines: &[u8]) -> usize {
    lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1)
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// Directory, name without extension, extension with its dot.
fn parts(path: &Path) -> (&Path, String, String) {
    let directory =
        path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    (directory, stem, extension)
}

fn put_aside_at(name: &str, stem: &str, extension: &str) -> Option<Timestamp> {
    let stamp = name.strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(extension)?;
    let length = "2026-01-02T03-04-05.000".len();
    let (time, rest) = stamp.split_at_checked(length)?;
    if !rest.is_empty() && !rest.starts_with('-') {
        return None;
    }
    let time = DateTime::strptime("%Y-%m-%dT%H-%M-%S%.f", time).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Which of the files put aside are to go.
fn superfluous(mut backups: Vec<(Timestamp, String)>, now: Timestamp, options: &FileOptions) -> Vec<String> {
    backups.sort_by(|one, other| other.cmp(one));
    let keep = if options.max_backups == 0 { backups.len() } else { options.max_backups };
    let too_old = |since: Timestamp| {
        !options.max_age.is_zero() && now.duration_since(since).unsigned_abs() > options.max_age && now > since
    };
    let some = backups.into_iter().enumerate().filter(|(index, (since, _))| *index >= keep || too_old(*since));
    some.map(|(_, (_, name))| name).collect()
}

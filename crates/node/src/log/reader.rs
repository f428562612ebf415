//! Reading a log forward, through its files, as lines for people.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::PathBuf;

use super::LogOptions;
use super::files::{self, Opened};
use super::line::Line;

/// Bytes handed on at a time.
const PIECE: usize = 32 * 1024;

/// How far reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There may be more at once.
    More,
    /// Everything written by now was read.
    CaughtUp,
    /// As much as was asked for was read.
    Enough,
}

pub(super) struct Reader {
    path: PathBuf,
    options: LogOptions,
    begun: bool,
    files: VecDeque<Opened>,
    /// A line whose end is not written yet.
    unfinished: Vec<u8>,
    /// The next text begins a line, so a time stamp belongs before it.
    at_line_start: bool,
    since_passed: bool,
    sent: u64,
}

impl Reader {
    pub(super) fn new(path: PathBuf, options: LogOptions) -> Self {
        let since_passed = options.since.is_none();
        Self {
            path,
            options,
            begun: false,
            files: VecDeque::new(),
            unfinished: Vec::new(),
            at_line_start: true,
            since_passed,
            sent: 0,
        }
    }

    /// Appends the next piece to `out`.
    pub(super) fn read(&mut self, out: &mut Vec<u8>) -> io::Result<Progress> {
        self.begin()?;
        let mut buffer = [0; PIECE];
        loop {
            let Some(current) = self.files.front_mut() else { return Ok(Progress::CaughtUp) };
            let count = current.file.read(&mut buffer)?;
            if count > 0 {
                let enough = self.take(&buffer[..count], out);
                return Ok(if enough { Progress::Enough } else { Progress::More });
            }
            if !self.next_file()? {
                return Ok(Progress::CaughtUp);
            }
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.begun && !self.files.is_empty() {
            return Ok(());
        }
        let mut files = files::open_all(&self.path)?;
        if let (false, Some(lines)) = (self.begun, self.options.tail) {
            files::keep_last(&mut files, lines)?;
        }
        self.begun = true;
        self.files = files.into();
        Ok(())
    }

    /// Goes on to a newer file, if the current one was rotated away or was an old one from the beginning.
    fn next_file(&mut self) -> io::Result<bool> {
        if self.files.len() == 1 {
            let newer = files::open_newer(&self.path, self.files[0].inode)?;
            if newer.is_empty() {
                return Ok(false);
            }
            // What was written to it between the last read and its rotation comes first.
            let mut rest = Vec::new();
            self.files[0].file.read_to_end(&mut rest)?;
            self.unfinished.extend_from_slice(&rest);
            self.files.extend(newer);
        }
        self.files.pop_front();
        Ok(true)
    }

    /// Answers whether that is enough.
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        self.unfinished.extend_from_slice(bytes);
        let complete = std::mem::take(&mut self.unfinished);
        let mut rest = complete.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let begin = out.len();
            self.line(&rest[..end], out);
            rest = &rest[end + 1..];
            self.sent += (out.len() - begin) as u64;
            if let Some(limit) = self.options.limit_bytes.filter(|limit| self.sent >= *limit) {
                let surplus = usize::try_from(self.sent - limit).unwrap_or(out.len());
                out.truncate(out.len().saturating_sub(surplus));
                return true;
            }
        }
        self.unfinished = rest.to_vec();
        false
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let Some(line) = Line::parse(line) else { return };
        if self.options.stream.is_some_and(|stream| stream != line.stream) {
            return;
        }
        if !self.since_passed {
            if self.options.since.is_some_and(|since| line.is_before(since)) {
                return;
            }
            self.since_passed = true;
        }
        if self.options.timestamps && self.at_line_start {
            out.extend_from_slice(line.time.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(line.text);
        if !line.partial {
            out.push(b'\n');
        }
        self.at_line_start = !line.partial;
    }
}

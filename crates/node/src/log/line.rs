//! One line of a log.

use jiff::Timestamp;

use super::Stream;

/// A line as the runtime wrote it, without its line break.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) time: &'a str,
    pub(super) stream: Stream,
    /// The text goes on in the next line.
    pub(super) partial: bool,
    pub(super) text: &'a [u8],
}

impl<'a> Line<'a> {
    /// `None` for what is no CRI line: a file that was cut off by a full disk.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let mut words = line.splitn(4, |byte| *byte == b' ');
        let time = std::str::from_utf8(words.next()?).ok()?;
        let stream = match words.next()? {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            _ => return None,
        };
        // Tags are separated by colons; the first says whether the line is whole.
        let partial = words.next()?.split(|byte| *byte == b':').next()? == b"P";
        Some(Self { time, stream, partial, text: words.next().unwrap_or_default() })
    }

    pub(super) fn is_before(&self, since: Timestamp) -> bool {
        self.time.parse::<Timestamp>().is_ok_and(|time| time < since)
    }
}

//! CRI log lines: `TIME STREAM TAG TEXT`, tag `F` for a full line and `P` for a part of one
//! (upstream: `pkg/kubelet/kuberuntime/logs`).

use jiff::Timestamp;

/// Longer lines are cut into parts, as container runtimes do.
const LONGEST: usize = 16 << 10;

/// Standard output or error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// The unfinished line of each stream.
#[derive(Default)]
pub(super) struct Lines {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Lines {
    /// Adds bytes; lines that are complete go to `out`.
    pub(super) fn add(&mut self, stream: Stream, mut bytes: &[u8], now: fn() -> Timestamp, out: &mut Vec<u8>) {
        let unfinished = self.unfinished(stream);
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            take(unfinished, line, stream, now, out);
            put(out, now(), stream, 'F', unfinished);
            unfinished.clear();
        }
        take(unfinished, bytes, stream, now, out);
    }

    /// Whole lines of the runtime's own.
    pub(super) fn note(&mut self, text: &str, now: fn() -> Timestamp, out: &mut Vec<u8>) {
        for line in text.lines() {
            put(out, now(), Stream::Stderr, 'F', line.as_bytes());
        }
    }

    /// Writes unfinished lines as parts: whoever reads adds no line end that the guest did not write.
    pub(super) fn end(&mut self, now: fn() -> Timestamp, out: &mut Vec<u8>) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let unfinished = std::mem::take(self.unfinished(stream));
            if !unfinished.is_empty() {
                put(out, now(), stream, 'P', &unfinished);
            }
        }
    }

    fn unfinished(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

/// Adds to an unfinished line; what is too long leaves it in parts.
fn take(unfinished: &mut Vec<u8>, mut bytes: &[u8], stream: Stream, now: fn() -> Timestamp, out: &mut Vec<u8>) {
    while unfinished.len() + bytes.len() > LONGEST {
        let (part, rest) = bytes.split_at(LONGEST - unfinished.len());
        unfinished.extend_from_slice(part);
        put(out, now(), stream, 'P', unfinished);
        unfinished.clear();
        bytes = rest;
    }
    unfinished.extend_from_slice(bytes);
}

fn put(out: &mut Vec<u8>, time: Timestamp, stream: Stream, tag: char, text: &[u8]) {
    // Nine digits always: readers sort and cut by position.
    out.extend_from_slice(format!("{time:.9} {} {tag} ", stream.name()).as_bytes());
    out.extend_from_slice(text);
    out.push(b'\n');
}

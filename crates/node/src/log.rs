//! Reading containers' logs: files in CRI format (`TIME STREAM TAG TEXT`), the rotated ones included, followed by inotify.

mod files;
mod line;
mod reader;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::inotify::Directories;
use reader::{Progress, Reader};

/// What a reader wants of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogOptions {
    /// Go on while the container runs.
    pub(crate) follow: bool,
    /// Only that many lines at the end.
    pub(crate) tail: Option<u64>,
    /// Only what was written from then on.
    pub(crate) since: Option<Timestamp>,
    /// Begin each line with its time.
    pub(crate) timestamps: bool,
    /// End after that many bytes.
    pub(crate) limit_bytes: Option<u64>,
    /// `Stdout` or `Stderr` alone.
    pub(crate) stream: Option<Stream>,
}

/// One of a container's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Sends the log at `path` in pieces until its end; when following, until `ended` says that the container has and all was read, or
/// until nobody receives any more.
pub(crate) async fn send(
    path: PathBuf,
    options: LogOptions,
    directories: Option<&Directories>,
    mut ended: watch::Receiver<bool>,
    pieces: mpsc::Sender<std::io::Result<Bytes>>,
) {
    let watched = path.parent().filter(|_| options.follow).and_then(|parent| directories?.watch(parent).ok());
    let follow = watched.is_some();
    let mut watched = watched;
    let mut reader = Reader::new(path, options);
    loop {
        let was_over = !follow || *ended.borrow_and_update();
        let progress = match read(reader, &pieces).await {
            Some((progress, back)) => {
                reader = back;
                progress
            }
            None => return,
        };
        if progress == Progress::Enough || (progress == Progress::CaughtUp && was_over) {
            return;
        }
        if progress == Progress::More {
            continue;
        }
        let Some(watched) = &mut watched else { return };
        tokio::select! { biased;
            () = pieces.closed() => return,
            changed = ended.changed() => if changed.is_err() { return },
            () = watched.changed() => {}
        }
    }
}

/// Reads a piece away from the async threads. `None`: it failed, or nobody listens.
async fn read(mut reader: Reader, pieces: &mpsc::Sender<std::io::Result<Bytes>>) -> Option<(Progress, Reader)> {
    let read = crate::blocking::run(move || {
        let mut piece = Vec::new();
        let progress = reader.read(&mut piece);
        (progress, piece, reader)
    });
    let (progress, piece, reader) = read.await.ok()?;
    if !piece.is_empty() {
        pieces.send(Ok(Bytes::from(piece))).await.ok()?;
    }
    match progress {
        Ok(progress) => Some((progress, reader)),
        Err(error) => {
            let _nobody_listens = pieces.send(Err(error)).await;
            None
        }
    }
}

/// The last lines of a log, for a termination message: at most `lines` lines and `bytes` bytes.
pub(crate) fn last_words(path: &std::path::Path, lines: u64, bytes: usize) -> String {
    let mut reader = Reader::new(path.to_owned(), LogOptions { tail: Some(lines), ..LogOptions::default() });
    let mut text = Vec::new();
    while matches!(reader.read(&mut text), Ok(Progress::More)) {}
    let start = text.len().saturating_sub(bytes);
    String::from_utf8_lossy(&text[start..]).into_owned()
}

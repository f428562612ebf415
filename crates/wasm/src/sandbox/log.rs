//! A container's log: what the guest writes becomes CRI log lines in a file that is rotated.
//!
//! Nothing here can stop a guest for ever or grow without bound. At most [`PENDING`] bytes wait for the disk; a guest that writes
//! more waits until they are written. What the disk refuses is dropped and counted, and the count is logged once writing works again.

mod file;
mod format;
mod stream;

use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use sampan_runtime::LogConfig;

pub(crate) use format::Stream;
pub(crate) use stream::{Output, Sink};

use file::RotatingFile;
use format::Lines;

use super::pipe::Pipe;

/// Formatted bytes that may wait for the disk.
const PENDING: usize = 256 << 10;

/// The log of one container.
pub(crate) struct Log {
    state: Mutex<State>,
}

struct State {
    lines: Lines,
    pending: Vec<u8>,
    /// Out of the state while a batch is written.
    file: Option<RotatingFile>,
    dropped: u64,
    waiting: Vec<Waker>,
    /// Clients that see what is printed as it is.
    watchers: Vec<Weak<Pipe>>,
}

impl Log {
    pub(crate) fn new(config: LogConfig) -> Arc<Self> {
        let state = State {
            lines: Lines::default(),
            pending: Vec::new(),
            file: Some(RotatingFile::new(config)),
            dropped: 0,
            waiting: Vec::new(),
            watchers: Vec::new(),
        };
        Arc::new(Log { state: Mutex::new(state) })
    }

    /// Takes what a guest wrote. Callers ask [`Sink::poll_room`] first; the little that comes without is taken as well.
    pub(crate) fn write(self: &Arc<Self>, stream: Stream, bytes: &[u8]) {
        let mut state = self.state.lock();
        let State { lines, pending, watchers, .. } = &mut *state;
        lines.add(stream, bytes, super::clock::now, pending);
        watchers.retain(|watcher| watcher.upgrade().inspect(|pipe| pipe.offer(stream, bytes)).is_some());
        self.start_writing(&mut state);
    }

    /// Shows a client what is printed from now on, for as long as it holds the pipe.
    pub(crate) fn watch(&self, pipe: &Arc<Pipe>) {
        self.state.lock().watchers.push(Arc::downgrade(pipe));
    }

    /// A line of the runtime's own, on the container's stderr: why a request failed, for example.
    pub(crate) fn note(self: &Arc<Self>, text: &str) {
        let mut state = self.state.lock();
        let State { lines, pending, .. } = &mut *state;
        lines.note(text, super::clock::now, pending);
        self.start_writing(&mut state);
    }

    /// Ends unfinished lines and waits until all is written or dropped.
    pub(crate) async fn finish(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            let State { lines, pending, .. } = &mut *state;
            lines.end(super::clock::now, pending);
            self.start_writing(&mut state);
        }
        std::future::poll_fn(|context| self.poll_idle(context)).await;
    }

    fn poll_idle(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.file.is_some() && state.pending.is_empty() {
            return Poll::Ready(());
        }
        state.waiting.push(context.waker().clone());
        Poll::Pending
    }

    /// Sends the pending bytes to the disk, on a thread that may block, unless one is at it already.
    fn start_writing(self: &Arc<Self>, state: &mut State) {
        if state.pending.is_empty() {
            return;
        }
        let Some(file) = state.file.take() else { return };
        let log = self.clone();
        tokio::task::spawn_blocking(move || log.write_all(file));
    }

    fn write_all(&self, mut file: RotatingFile) {
        loop {
            let Some((batch, dropped)) = self.next_batch() else {
                // Checked again under the lock that gives the file back: a line may have come meanwhile.
                let mut state = self.state.lock();
                if state.pending.is_empty() {
                    state.file = Some(file);
                    state.wake();
                    return;
                }
                continue;
            };
            let lost = write_batch(&mut file, &batch, dropped);
            let mut state = self.state.lock();
            state.dropped = lost;
            state.wake();
        }
    }

    fn next_batch(&self) -> Option<(Vec<u8>, u64)> {
        let mut state = self.state.lock();
        if state.pending.is_empty() {
            return None;
        }
        Some((std::mem::take(&mut state.pending), state.dropped))
    }
}

impl Sink for Log {
    fn take(self: Arc<Self>, stream: Stream, bytes: &[u8]) {
        self.write(stream, bytes);
    }

    fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.has_room() {
            return Poll::Ready(());
        }
        state.waiting.push(context.waker().clone());
        Poll::Pending
    }

    fn has_room(&self) -> bool {
        self.state.lock().has_room()
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.pending.len() < PENDING
    }

    fn wake(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }
}

/// Writes a batch, after a line that owns up to what was dropped before. Returns how many lines are dropped and not yet owned up to.
fn write_batch(file: &mut RotatingFile, batch: &[u8], dropped: u64) -> u64 {
    if dropped > 0 {
        let mut line = Vec::new();
        Lines::default().note(
            &format!("sampan: {dropped} log lines were lost, the disk did not take them"),
            super::clock::now,
            &mut line,
        );
        if file.write(&line).is_err() {
            return dropped + count_lines(batch);
        }
    }
    match file.write(batch) {
        Ok(()) => 0,
        Err(error) => {
            tracing::warn!(path = %file.path().display(), %error, "dropping log lines");
            count_lines(batch)
        }
    }
}

fn count_lines(batch: &[u8]) -> u64 {
    batch.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests;

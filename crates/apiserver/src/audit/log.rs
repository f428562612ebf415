//! Lines on their way to where they are kept: a bounded buffer, and the thread that empties it.
//!
//! In `blocking` mode, upstream's default for files and ours, a request that finds the buffer full waits for room: otherwise whoever
//! floods the server could choose what is missing from the log. In `batch` mode its line is dropped and counted. A line that cannot be
//! written (a full disk) is dropped and counted in either mode: a cluster is not to stand still because its log does.

use std::io;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};

/// The bytes that may wait to be written.
const ROOM: usize = 16 << 20;
/// The lines that may wait without a request that waits with them: their makers hung up.
const LATE: usize = 4096;
/// How long the thread lets lines gather once the first has come: it is woken a few dozen times a second however many there are, and
/// not at all when there are none.
const GATHER: Duration = Duration::from_millis(20);
/// The memory the thread keeps for the next lines.
const SPARE: usize = 1 << 20;

/// Where lines are kept.
pub trait Sink: Send + 'static {
    /// Keeps whole lines, each with its end. What an error leaves unwritten is lost.
    fn write(&mut self, lines: &[u8]) -> io::Result<()>;
}

impl<S: io::Write + Send + 'static> Sink for S {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.write_all(lines)?;
        self.flush()
    }
}

/// What a request does that finds the buffer full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It waits.
    #[default]
    Blocking,
    /// It goes on, and its line is lost.
    Batch,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "blocking" => Ok(Self::Blocking),
            "batch" => Ok(Self::Batch),
            other => Err(format!("{other:?} is none of: blocking, batch")),
        }
    }
}

/// The buffer and its thread. The thread ends, after what waits, when the last clone of this is gone.
pub struct Log {
    shared: Arc<Shared>,
    mode: Mode,
    late: Arc<Semaphore>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to do for the thread.
    filled: Condvar,
    /// There is room again.
    emptied: Notify,
    made: AtomicU64,
    lost: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    lines: u64,
    flushes: Vec<oneshot::Sender<()>>,
    closed: bool,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False: there is no room. Where there is nothing, there is room for whatever comes.
    fn try_add(&self, line: &[u8]) -> bool {
        let mut waiting = self.waiting();
        let first = waiting.bytes.is_empty();
        if !first && waiting.bytes.len() + line.len() > ROOM {
            return false;
        }
        waiting.bytes.extend_from_slice(line);
        waiting.lines += 1;
        if first {
            self.filled.notify_one();
        }
        true
    }

    async fn add(&self, line: &[u8]) {
        while !self.try_add(line) {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            // What is emptied between a look and a wait must not be missed.
            emptied.as_mut().enable();
            if self.try_add(line) {
                return;
            }
            emptied.await;
        }
    }

    fn lose(&self, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }
}

impl Log {
    /// Starts the thread that writes to `sink`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(sink: impl Sink, mode: Mode) -> io::Result<Arc<Self>> {
        let shared = Arc::<Shared>::default();
        let writer = Writer { shared: shared.clone(), sink, failing: false };
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run())?;
        Ok(Arc::new(Self { shared, mode, late: Arc::new(Semaphore::new(LATE)) }))
    }

    /// Hands a line over.
    pub(super) async fn add(&self, line: &[u8]) {
        self.shared.made.fetch_add(1, Ordering::Relaxed);
        match self.mode {
            Mode::Blocking => self.shared.add(line).await,
            Mode::Batch if self.shared.try_add(line) => {}
            Mode::Batch => self.shared.lose(1),
        }
    }

    /// Hands a line over from where nothing can wait: in blocking mode a task waits, unless too many do so already.
    pub(super) fn add_later(&self, line: Vec<u8>) {
        self.shared.made.fetch_add(1, Ordering::Relaxed);
        if self.shared.try_add(&line) {
            return;
        }
        let turn = self.late.clone().try_acquire_owned();
        match (self.mode, turn, tokio::runtime::Handle::try_current()) {
            (Mode::Blocking, Ok(turn), Ok(runtime)) => {
                let shared = self.shared.clone();
                runtime.spawn(async move {
                    shared.add(&line).await;
                    drop(turn);
                });
            }
            _ => self.shared.lose(1),
        }
    }

    /// Waits until everything handed over so far was written, or could not be.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.shared.waiting().flushes.push(done);
        self.shared.filled.notify_one();
        // An error means that the thread is gone, and nothing is left to wait for.
        let _ = flushed.await;
    }

    /// Lines handed over, and those of them that were lost.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.shared.made.load(Ordering::Relaxed), self.shared.lost.load(Ordering::Relaxed))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.waiting().closed = true;
        self.shared.filled.notify_one();
    }
}

struct Writer<S> {
    shared: Arc<Shared>,
    sink: S,
    failing: bool,
}

impl<S: Sink> Writer<S> {
    fn run(mut self) {
        let mut spare = Vec::new();
        while let Some(Waiting { mut bytes, lines, flushes, .. }) = self.take(spare) {
            self.write(&bytes, lines);
            self.shared.emptied.notify_waiters();
            for done in flushes {
                // Who waits may have gone.
                let _ = done.send(());
            }
            bytes.clear();
            bytes.shrink_to(SPARE);
            spare = bytes;
        }
    }

    /// Waits for something to do. `None`: there is nothing left, and nothing will come.
    fn take(&self, spare: Vec<u8>) -> Option<Waiting> {
        let idle = |waiting: &mut Waiting| waiting.bytes.is_empty() && waiting.flushes.is_empty() && !waiting.closed;
        let waiting = self.shared.filled.wait_while(self.shared.waiting(), idle);
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes.is_empty() && waiting.flushes.is_empty() {
            return None;
        }
        let hurry = !waiting.flushes.is_empty() || waiting.closed;
        drop(waiting);
        if !hurry {
            std::thread::sleep(GATHER);
        }
        let mut waiting = self.shared.waiting();
        let closed = waiting.closed;
        Some(std::mem::replace(&mut *waiting, Waiting { bytes: spare, closed, ..Waiting::default() }))
    }

    fn write(&mut self, bytes: &[u8], lines: u64) {
        if bytes.is_empty() {
            return;
        }
        match self.sink.write(bytes) {
            Ok(()) => self.failing = false,
            Err(error) => {
                self.shared.lose(lines);
                // Said once, not for every line of a full disk.
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the audit log cannot be written; requests go on without it");
                }
            }
        }
    }
}

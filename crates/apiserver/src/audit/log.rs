//! Lines on their way to where they are kept: a bounded queue, and the thread that empties it.
//!
//! In `blocking` mode, upstream's default for files and ours, a request that finds the queue full waits for room: otherwise whoever
//! floods the server could choose what is missing from the log. In `batch` mode its line is dropped and counted. A line that cannot be
//! written (a full disk) is dropped and counted in either mode: a cluster is not to stand still because its log does.

use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

/// The bytes that may wait to be written.
const ROOM: u32 = 16 << 20;
/// How long the thread lets lines gather once the first has come: it is woken a few dozen times a second however many there are, and
/// not at all when there are none.
const GATHER: Duration = Duration::from_millis(20);

/// Where lines are kept.
pub trait Sink: Send + 'static {
    /// Keeps whole lines, each with its end. What an error leaves unwritten is lost.
    fn write(&mut self, lines: &[Vec<u8>]) -> io::Result<()>;
}

impl<S: io::Write + Send + 'static> Sink for S {
    fn write(&mut self, lines: &[Vec<u8>]) -> io::Result<()> {
        self.write_all(&lines.concat())?;
        self.flush()
    }
}

/// What a request does that finds the queue full.
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

/// The queue and its thread. The thread ends, after what is in the queue, when the last clone of this is gone.
pub struct Log {
    queue: Sender<Message>,
    room: Arc<Semaphore>,
    mode: Mode,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    made: AtomicU64,
    lost: AtomicU64,
}

enum Message {
    Line(Vec<u8>),
    Flush(oneshot::Sender<()>),
}

impl Log {
    /// Starts the thread that writes to `sink`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(sink: impl Sink, mode: Mode) -> io::Result<Arc<Self>> {
        let (queue, waiting) = channel();
        let room = Arc::new(Semaphore::new(ROOM as usize));
        let counts = Arc::<Counts>::default();
        let writer = Writer { waiting, sink, room: room.clone(), counts: counts.clone(), failing: false };
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run())?;
        Ok(Arc::new(Self { queue, room, mode, counts }))
    }

    /// Hands a line over.
    pub(super) async fn add(&self, line: Vec<u8>) {
        self.counts.made.fetch_add(1, Ordering::Relaxed);
        match (self.room.try_acquire_many(size(&line)), self.mode) {
            (Ok(place), _) => place.forget(),
            (Err(_), Mode::Batch) => return self.lose(1),
            (Err(_), Mode::Blocking) => match self.room.acquire_many(size(&line)).await {
                Ok(place) => place.forget(),
                Err(_closed) => return self.lose(1),
            },
        }
        self.send(line);
    }

    /// Hands a line over from where nothing can wait: in blocking mode, somebody else waits.
    pub(super) fn add_later(self: &Arc<Self>, line: Vec<u8>) {
        if let Ok(place) = self.room.try_acquire_many(size(&line)) {
            place.forget();
            self.counts.made.fetch_add(1, Ordering::Relaxed);
            return self.send(line);
        }
        let log = Arc::clone(self);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { log.add(line).await })),
            Err(_) => self.lose(1),
        }
    }

    fn send(&self, line: Vec<u8>) {
        if self.queue.send(Message::Line(line)).is_err() {
            self.lose(1);
        }
    }

    fn lose(&self, lines: u64) {
        self.counts.lost.fetch_add(lines, Ordering::Relaxed);
    }

    /// Waits until everything handed over so far was written, or could not be.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).is_ok() {
            // An error means that the thread is gone, and nothing is left to wait for.
            let _ = flushed.await;
        }
    }

    /// Lines handed over, and those of them that were lost.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.counts.made.load(Ordering::Relaxed), self.counts.lost.load(Ordering::Relaxed))
    }
}

/// The room a line takes: a longer one than all there is would wait for ever.
fn size(line: &[u8]) -> u32 {
    u32::try_from(line.len()).unwrap_or(ROOM).min(ROOM)
}

struct Writer<S> {
    waiting: Receiver<Message>,
    sink: S,
    room: Arc<Semaphore>,
    counts: Arc<Counts>,
    failing: bool,
}

impl<S: Sink> Writer<S> {
    fn run(mut self) {
        while let Ok(first) = self.waiting.recv() {
            if matches!(first, Message::Line(_)) {
                std::thread::sleep(GATHER);
            }
            let mut lines = Vec::new();
            let mut flushes = Vec::new();
            for message in std::iter::once(first).chain(self.waiting.try_iter()) {
                match message {
                    Message::Line(line) => lines.push(line),
                    Message::Flush(done) => flushes.push(done),
                }
            }
            self.write(&lines);
            for done in flushes {
                // Who waits may have gone.
                let _ = done.send(());
            }
        }
    }

    fn write(&mut self, lines: &[Vec<u8>]) {
        if lines.is_empty() {
            return;
        }
        match self.sink.write(lines) {
            Ok(()) => self.failing = false,
            Err(error) => {
                self.counts.lost.fetch_add(lines.len() as u64, Ordering::Relaxed);
                // Said once, not for every line of a full disk.
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the audit log cannot be written; requests go on without it");
                }
            }
        }
        self.room.add_permits(lines.iter().map(|line| size(line) as usize).sum());
    }
}

//! The agent's connection to one sandbox process: requests out, replies and changes in.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sampan_runtime::{Error, Result};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::protocol::{self, Answer, Call, Failure, Hello, Message, Request};

/// A process that is there says hello at once, unless its machine has much else to do.
const HELLO: Duration = Duration::from_secs(30);

/// Requests on their way; more wait.
const BACKLOG: usize = 256;

/// Requests to one process.
pub(crate) struct Link {
    pub(crate) pid: u32,
    requests: mpsc::Sender<Vec<u8>>,
    waiting: Mutex<Waiting>,
    next: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    replies: HashMap<u64, oneshot::Sender<Result<Answer, Failure>>>,
    /// The connection is gone; nobody answers any more.
    closed: bool,
}

/// A connection as it begins.
pub(crate) struct Connected {
    pub(crate) link: Link,
    pub(crate) hello: Hello,
    pub(crate) messages: OwnedReadHalf,
}

impl Link {
    /// Waits for the process's greeting. The messages after it are the caller's to read and to hand back with [`Link::reply`].
    pub(crate) async fn connect(stream: std::os::unix::net::UnixStream) -> io::Result<Connected> {
        stream.set_nonblocking(true)?;
        let (mut messages, to) = UnixStream::from_std(stream)?.into_split();
        let hello = tokio::time::timeout(HELLO, protocol::read::<Hello>(&mut messages)).await;
        let hello = hello.map_err(|_| io::Error::other("the sandbox process says nothing"))??;
        let hello = hello.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let (requests, frames) = mpsc::channel(BACKLOG);
        tokio::spawn(write(to, frames));
        let link = Link { pid: hello.pid, requests, waiting: Mutex::default(), next: AtomicU64::new(1) };
        Ok(Connected { link, hello, messages })
    }

    /// Sends a request and waits for its reply.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, CallError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            if waiting.closed {
                return Err(CallError::Gone);
            }
            waiting.replies.insert(id, sender);
        }
        let frame = protocol::encode(&Request { id, call });
        if self.requests.send(frame).await.is_err() {
            self.waiting.lock().replies.remove(&id);
            return Err(CallError::Gone);
        }
        receiver.await.map_err(|_| CallError::Gone)?.map_err(CallError::Failed)
    }

    /// Hands a reply to who waits for it.
    pub(crate) fn reply(&self, id: u64, result: Result<Answer, Failure>) {
        if let Some(waiting) = self.waiting.lock().replies.remove(&id) {
            // Whoever asked may be gone.
            let _ = waiting.send(result);
        }
    }

    /// No one will answer: all who wait are told.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.replies.clear();
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The process, or the connection to it.
    Gone,
    Failed(Failure),
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Gone => Error::Unavailable("the sandbox process ended while it was asked".to_owned()),
            CallError::Failed(failure) => failure.into(),
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) {
    use tokio::io::AsyncWriteExt as _;
    while let Some(frame) = frames.recv().await {
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// The next message; an error or the end of the stream is the end of the link.
pub(crate) async fn next(messages: &mut OwnedReadHalf) -> Option<Message> {
    protocol::read(messages).await.ok().flatten()
}

//! SPDY/3.1 as kubectl speaks it (`moby/spdystream`): one connection, many streams that the client opens. Neither side uses windows; TCP
//! alone holds back who is too fast.

mod frame;
mod headers;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(super) use frame::MOST_DATA;
use frame::{Frame, Kind};

/// Frames of one stream that may wait for who reads it; then the connection waits.
const FRAMES: usize = 32;
/// Streams a client may have open at once.
const STREAMS: usize = 1024;
/// How long a stream that nobody reads may keep the others of its connection waiting. There are no windows by which it alone could.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream that the client opened.
pub(super) struct Stream {
    pub(super) id: u32,
    /// By lower-case name.
    pub(super) headers: BTreeMap<String, String>,
    /// What the client sends, until it finishes or resets the stream or goes.
    pub(super) data: mpsc::Receiver<Bytes>,
    /// Cancelled when the client wants no more of this stream.
    pub(super) reset: CancellationToken,
    pub(super) writer: Writer,
}

/// The way out of one stream.
#[derive(Clone)]
pub(super) struct Writer {
    id: u32,
    frames: mpsc::Sender<Vec<u8>>,
}

impl Writer {
    /// Sends bytes; false once the client has gone.
    pub(super) async fn send(&self, bytes: &[u8]) -> bool {
        for piece in bytes.chunks(MOST_DATA) {
            if self.frames.send(frame::data(self.id, piece, false)).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Says that nothing more comes.
    pub(super) async fn finish(&self) {
        let _gone = self.frames.send(frame::data(self.id, b"", true)).await;
    }

    /// Takes the stream back.
    pub(super) async fn refuse(&self) {
        let _gone = self.frames.send(frame::reset(self.id, frame::REFUSED)).await;
    }
}

/// Speaks SPDY over `io` until either side ends the connection. Streams go to `opened` as the client opens them.
pub(super) async fn serve<T>(io: T, opened: mpsc::Sender<Stream>) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Send,
{
    let (from, to) = tokio::io::split(io);
    let (frames, queue) = mpsc::channel(FRAMES);
    let reading = Reading { frames, opened, streams: BTreeMap::new(), newest: 0 };
    tokio::select! {
        biased;
        ended = reading.run(from) => ended,
        ended = write(to, queue) => ended,
    }
}

async fn write(mut to: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(frame) = queue.recv().await {
        to.write_all(&frame).await?;
        if queue.is_empty() {
            to.flush().await?;
        }
    }
    to.shutdown().await
}

/// A stream as the reader knows it.
struct Open {
    /// `None` once the client has finished.
    data: Option<mpsc::Sender<Bytes>>,
    reset: CancellationToken,
}

struct Reading {
    frames: mpsc::Sender<Vec<u8>>,
    opened: mpsc::Sender<Stream>,
    streams: BTreeMap<u32, Open>,
    newest: u32,
}

impl Reading {
    async fn run(mut self, from: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut reader = frame::Reader::new(from);
        while let Some(Frame { kind, last }) = reader.next().await? {
            match kind {
                Kind::Open { stream, headers } => self.open(stream, headers, last).await?,
                Kind::Data { stream, bytes } => self.data(stream, bytes, last).await,
                Kind::Reset { stream } => {
                    if let Some(open) = self.streams.remove(&stream) {
                        open.reset.cancel();
                    }
                }
                // Ours would be even; there are none.
                Kind::Ping { id } if id % 2 == 1 => self.send(frame::ping(id)).await,
                Kind::Ping { .. } | Kind::Ignored => {}
            }
        }
        Ok(())
    }

    async fn send(&self, frame: Vec<u8>) {
        let _gone = self.frames.send(frame).await;
    }

    async fn open(&mut self, id: u32, headers: BTreeMap<String, String>, last: bool) -> io::Result<()> {
        if id.is_multiple_of(2) || id <= self.newest {
            return Err(frame::bad(format!("stream {id} is out of order")));
        }
        let first = std::mem::replace(&mut self.newest, id) == 0;
        self.streams.retain(|_, open| open.data.as_ref().is_some_and(|data| !data.is_closed()));
        self.send(frame::reply(id, first)).await;
        if self.streams.len() >= STREAMS {
            self.send(frame::reset(id, frame::REFUSED)).await;
            return Ok(());
        }
        let (sender, data) = mpsc::channel(FRAMES);
        let reset = CancellationToken::new();
        let writer = Writer { id, frames: self.frames.clone() };
        let stream = Stream { id, headers, data, reset: reset.clone(), writer };
        if self.opened.send(stream).await.is_err() {
            self.send(frame::reset(id, frame::REFUSED)).await;
            return Ok(());
        }
        self.streams.insert(id, Open { data: (!last).then_some(sender), reset });
        Ok(())
    }

    async fn data(&mut self, id: u32, bytes: Bytes, last: bool) {
        let Some(open) = self.streams.get_mut(&id) else { return };
        if let Some(data) = open.data.as_ref().filter(|_| !bytes.is_empty()) {
            let sent = tokio::time::timeout(PATIENCE, data.send(bytes)).await;
            if sent.is_err() {
                open.reset.cancel();
                self.streams.remove(&id);
                return self.send(frame::reset(id, frame::REFUSED)).await;
            }
        }
        if last {
            open.data = None;
        }
    }
}

impl Drop for Reading {
    /// Whoever still works on a stream learns that nobody is there any more.
    fn drop(&mut self) {
        self.streams.values().for_each(|open| open.reset.cancel());
    }
}

#[cfg(test)]
mod tests;

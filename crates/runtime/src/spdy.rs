//! SPDY/3.1 as kubectl and containerd speak it (`moby/spdystream`): one connection, many streams that the client opens. Neither side uses
//! windows; TCP alone holds back who is too fast.
//!
//! The node is a server of it, for its clients; a runtime may be a client, of who serves the streams of its containers.

mod frame;
mod headers;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use frame::{Frame, Kind, MOST_DATA};

/// Frames of one stream that may wait for who reads it; then the connection waits.
const FRAMES: usize = 32;
/// Streams a client may have open at once.
const STREAMS: usize = 1024;
/// How long a stream of a client that nobody reads may keep the others of its connection waiting. There are no windows by which it alone
/// could.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream that the client opened.
pub struct Stream {
    /// Its number on the connection.
    pub id: u32,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// What the other side sends, until it finishes or resets the stream or goes.
    pub data: mpsc::Receiver<Bytes>,
    /// Cancelled when the other side wants no more of this stream.
    pub reset: CancellationToken,
    /// What is sent to the other side.
    pub writer: Writer,
}

/// The way out of one stream.
#[derive(Clone)]
pub struct Writer {
    id: u32,
    frames: mpsc::Sender<Vec<u8>>,
}

impl Writer {
    /// Sends bytes; false once the other side has gone.
    pub async fn send(&self, bytes: &[u8]) -> bool {
        for piece in bytes.chunks(MOST_DATA) {
            if self.frames.send(frame::data(self.id, piece, false)).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Says that nothing more comes.
    pub async fn finish(&self) {
        let _gone = self.frames.send(frame::data(self.id, b"", true)).await;
    }

    /// Takes the stream back.
    pub async fn refuse(&self) {
        let _gone = self.frames.send(frame::reset(self.id, frame::REFUSED)).await;
    }
}

/// Speaks SPDY over `io` until either side ends the connection. Streams go to `opened` as the client opens them.
pub async fn serve<T>(io: T, opened: mpsc::Sender<Stream>) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Send,
{
    let (frames, queue) = mpsc::channel(FRAMES);
    let role = Role::Server { opened, newest: 0 };
    carry(io, Reading { frames, role, streams: BTreeMap::new() }, queue, Vec::new()).await
}

/// Opens one stream per list of headers (lower-case name, value) over `io`, as the client, in that order. The future carries them until
/// either side ends the connection; a stream whose data is not taken makes all of them wait.
pub fn open<T>(
    io: T,
    headers: &[&[(&str, &str)]],
) -> (Vec<Stream>, impl Future<Output = io::Result<()>> + Send + use<T>)
where
    T: AsyncRead + AsyncWrite + Send,
{
    let (frames, queue) = mpsc::channel(FRAMES);
    let mut reading = Reading { frames, role: Role::Client, streams: BTreeMap::new() };
    let (mut opened, mut first) = (Vec::new(), Vec::new());
    for (id, headers) in (1..).step_by(2).zip(headers) {
        first.extend(frame::open(id, headers));
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        opened.push(reading.add(id, headers.collect(), false));
    }
    (opened, carry(io, reading, queue, first))
}

async fn carry<T>(io: T, reading: Reading, queue: mpsc::Receiver<Vec<u8>>, first: Vec<u8>) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Send,
{
    let (from, to) = tokio::io::split(io);
    tokio::select! {
        biased;
        ended = reading.run(from) => ended,
        ended = write(to, first, queue) => ended,
    }
}

async fn write(mut to: impl AsyncWrite + Unpin, first: Vec<u8>, mut queue: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    to.write_all(&first).await?;
    to.flush().await?;
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
    /// `None` once the other side has finished.
    data: Option<mpsc::Sender<Bytes>>,
    reset: CancellationToken,
}

/// Which side of the connection this is.
enum Role {
    Server {
        opened: mpsc::Sender<Stream>,
        /// The number of the stream that was opened last.
        newest: u32,
    },
    Client,
}

struct Reading {
    frames: mpsc::Sender<Vec<u8>>,
    role: Role,
    streams: BTreeMap<u32, Open>,
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
                // Those of this side would have ids of the other kind; there are none.
                Kind::Ping { id } if (id % 2 == 1) == matches!(self.role, Role::Server { .. }) => {
                    self.send(frame::ping(id)).await;
                }
                Kind::Ping { .. } | Kind::Ignored => {}
            }
        }
        Ok(())
    }

    async fn send(&self, frame: Vec<u8>) {
        let _gone = self.frames.send(frame).await;
    }

    async fn open(&mut self, id: u32, headers: BTreeMap<String, String>, last: bool) -> io::Result<()> {
        let Role::Server { opened, newest } = &mut self.role else {
            return Err(frame::bad("a server opened a stream of its own".to_owned()));
        };
        if id.is_multiple_of(2) || id <= *newest {
            return Err(frame::bad(format!("stream {id} is out of order")));
        }
        let (first, opened) = (std::mem::replace(newest, id) == 0, opened.clone());
        self.streams.retain(|_, open| open.data.as_ref().is_some_and(|data| !data.is_closed()));
        self.send(frame::reply(id, first)).await;
        if self.streams.len() >= STREAMS {
            self.send(frame::reset(id, frame::REFUSED)).await;
            return Ok(());
        }
        let stream = self.add(id, headers, last);
        if opened.send(stream).await.is_err() {
            self.streams.remove(&id);
            self.send(frame::reset(id, frame::REFUSED)).await;
        }
        Ok(())
    }

    /// A new stream; `last` when the other side will send nothing.
    fn add(&mut self, id: u32, headers: BTreeMap<String, String>, last: bool) -> Stream {
        let (sender, data) = mpsc::channel(FRAMES);
        let reset = CancellationToken::new();
        self.streams.insert(id, Open { data: (!last).then_some(sender), reset: reset.clone() });
        Stream { id, headers, data, reset, writer: Writer { id, frames: self.frames.clone() } }
    }

    async fn data(&mut self, id: u32, bytes: Bytes, last: bool) {
        let Some(open) = self.streams.get_mut(&id) else { return };
        // A client knows that it will read, and waits for itself.
        let patience = if matches!(self.role, Role::Client) { Duration::MAX } else { PATIENCE };
        if let Some(data) = open.data.as_ref().filter(|_| !bytes.is_empty()) {
            let sent = tokio::time::timeout(patience, data.send(bytes)).await;
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

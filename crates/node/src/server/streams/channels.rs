//! exec and attach over a websocket: the first byte of each message names a channel (`v4.channel.k8s.io`, `v5.channel.k8s.io`).

use std::io;
use std::time::Duration;

use bytes::Bytes;
use sampan_runtime::ExecOutput;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::remote::{self, Sizes, Wanted, Work};
use super::websocket::{self, Message, Reader};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// The client closes the channel whose number follows; since v5.
const CLOSE: u8 = 255;

/// Frames that wait to be written.
const FRAMES: usize = 8;
/// How long a client may take to hang up after it was told the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves one client until the work is done or the client has gone, which ends the work.
pub(super) async fn serve<T>(io: T, wanted: Wanted, work: Work)
where
    T: AsyncRead + AsyncWrite + Send,
{
    let (from, to) = tokio::io::split(io);
    let (streams, ends) = remote::streams(wanted);
    let remote::Ends { stdin, sizes, mut output } = ends;
    let (frames, queue) = mpsc::channel(FRAMES);
    let listening = listen(Reader::new(from), Input { stdin, sizes, read: Sizes::default() }, frames.clone());
    let working = async {
        let first = if wanted.stdout {
            STDOUT
        } else if wanted.stderr {
            STDERR
        } else {
            ERROR
        };
        // Upstream's way of saying that it begins.
        let _gone = frames.send(websocket::binary(&[&[first]])).await;
        let forward = async {
            while let Some(piece) = output.recv().await {
                let frame = match &piece {
                    ExecOutput::Stdout(bytes) if wanted.stdout => websocket::binary(&[&[STDOUT], bytes]),
                    ExecOutput::Stderr(bytes) if wanted.stderr => websocket::binary(&[&[STDERR], bytes]),
                    _ => continue,
                };
                let _gone = frames.send(frame).await;
            }
        };
        let (ended, ()) = tokio::join!(work(streams), forward);
        let status = remote::status(&ended).to_string();
        let _gone = frames.send(websocket::binary(&[&[ERROR], status.as_bytes()])).await;
        let _gone = frames.send(websocket::close()).await;
    };
    let mut listening = std::pin::pin!(listening);
    tokio::select! { biased;
        () = &mut listening => return,
        _told = async { tokio::join!(working, write(to, queue)) } => {}
    }
    // Closing at once, with input unread, would reset the connection before the client has read the end.
    let _hung_up = tokio::time::timeout(FAREWELL, listening).await;
}

/// Writes frames up to the one that closes the connection.
async fn write(mut to: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Bytes>) -> io::Result<()> {
    while let Some(frame) = queue.recv().await {
        to.write_all(&frame).await?;
        to.flush().await?;
        if websocket::is_close(&frame) {
            return to.shutdown().await;
        }
    }
    Ok(())
}

/// Where a client's messages go.
struct Input {
    stdin: Option<mpsc::Sender<Bytes>>,
    sizes: mpsc::Sender<sampan_runtime::TerminalSize>,
    read: Sizes,
}

impl Input {
    async fn take(&mut self, mut message: Bytes) {
        if message.is_empty() {
            return;
        }
        let channel = message.split_to(1)[0];
        match (channel, &self.stdin) {
            (STDIN, Some(stdin)) if !message.is_empty() => {
                let sent = stdin.send(message).await;
                if sent.is_err() {
                    self.stdin = None;
                }
            }
            // One that does not fit is followed by a newer one, sooner or later.
            (RESIZE, _) => drop(self.read.read(&message).map(|size| self.sizes.try_send(size))),
            (CLOSE, _) if message[..] == [STDIN] => self.stdin = None,
            _ => {}
        }
    }
}

/// Returns once the client has gone, or says what makes no sense.
async fn listen(mut reader: Reader<impl AsyncRead + Unpin>, mut input: Input, frames: mpsc::Sender<Bytes>) {
    loop {
        match reader.next().await {
            Ok(Message::Data(message)) => input.take(message).await,
            // A client that asks faster than it reads gets no answer to some.
            Ok(Message::Ping(content)) => drop(frames.try_send(websocket::pong(&content))),
            Ok(Message::Close) => return,
            Err(error) => return tracing::debug!(%error, "a client's stream broke off"),
        }
    }
}

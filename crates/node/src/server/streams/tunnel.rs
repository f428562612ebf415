//! A byte stream inside a websocket: what `SPDY/3.1+portforward.k8s.io` means. Messages have no meaning but their bytes
//! (upstream's `portforward.TunnelingConnection`).

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

use super::websocket::{self, Message, Reader};

/// Bytes on their way between the two protocols, each way.
const BUFFER: usize = 64 << 10;
/// Frames that wait to be written.
const FRAMES: usize = 8;

/// The inner stream, and the work of carrying it over `io`, which ends when either does.
pub(super) fn open<T>(io: T) -> (DuplexStream, impl Future<Output = io::Result<()>>)
where
    T: AsyncRead + AsyncWrite + Send,
{
    let (inner, ours) = tokio::io::duplex(BUFFER);
    (inner, carry(io, ours))
}

async fn carry<T: AsyncRead + AsyncWrite + Send>(io: T, ours: DuplexStream) -> io::Result<()> {
    let (from_client, mut to_client) = tokio::io::split(io);
    let (mut from_inner, to_inner) = tokio::io::split(ours);
    let (frames, mut queue) = mpsc::channel(FRAMES);
    let pongs = frames.clone();
    let inwards = inwards(from_client, to_inner, pongs);
    let outwards = async move {
        let mut buffer = vec![0; BUFFER / 2];
        loop {
            match tokio::io::AsyncReadExt::read(&mut from_inner, &mut buffer).await? {
                0 => break,
                length if frames.send(websocket::binary(&[&buffer[..length]])).await.is_err() => break,
                _ => {}
            }
        }
        // Whoever reads the queue goes on until it is empty.
        let _gone = frames.send(websocket::close()).await;
        io::Result::Ok(())
    };
    let both = async {
        tokio::select! { biased;
            ended = outwards => ended,
            ended = inwards => ended,
        }
    };
    let write = async {
        while let Some(frame) = queue.recv().await {
            to_client.write_all(&frame).await?;
            to_client.flush().await?;
        }
        io::Result::Ok(())
    };
    let (both, write) = tokio::join!(both, write);
    let _going_anyway = to_client.shutdown().await;
    both.and(write)
}

async fn inwards(
    from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    pongs: mpsc::Sender<bytes::Bytes>,
) -> io::Result<()> {
    let mut reader = Reader::new(from);
    loop {
        match reader.next().await? {
            Message::Data(bytes) => to.write_all(&bytes).await?,
            // A client that asks faster than it reads gets no answer to some.
            Message::Ping(content) => drop(pongs.try_send(websocket::pong(&content))),
            Message::Close => return Ok(()),
        }
    }
}

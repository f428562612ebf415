//! A connection to a port inside a sandbox: a pair of SPDY streams, one for data and one for what went wrong (`portforward.k8s.io`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use sampan_runtime::spdy::{self, Stream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio_util::task::AbortOnDropHandle;

/// Bytes on their way, each way.
const BUFFER: usize = 64 << 10;

/// The near end of the connection.
pub(super) struct Forwarded {
    near: DuplexStream,
    /// What went wrong at the far end.
    failure: Arc<Mutex<Option<String>>>,
    _carrying: AbortOnDropHandle<()>,
}

/// Connects to the port over containerd's `io`. That nobody listens there is told by the first read.
pub(super) fn forward<T>(io: T, port: u16) -> Forwarded
where
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    let port = port.to_string();
    let headers = ["error", "data"].map(|name| [("streamtype", name), ("port", port.as_str()), ("requestid", "0")]);
    let (streams, carrying) = spdy::open(io, &headers.each_ref().map(|headers| &headers[..]));
    let [errors, data] = <[_; 2]>::try_from(streams).ok().expect("as many streams as were asked for");
    let (near, far) = tokio::io::duplex(BUFFER);
    let failure = Arc::default();
    let copying = copy(far, errors, data, Arc::clone(&failure));
    let task = tokio::spawn(async move {
        tokio::select! { biased;
            () = copying => {}
            _ended = async { tokio::join!(carrying, std::future::pending::<()>()) } => {}
        }
    });
    Forwarded { near, failure, _carrying: AbortOnDropHandle::new(task) }
}

async fn copy(far: DuplexStream, mut errors: Stream, mut data: Stream, failure: Arc<Mutex<Option<String>>>) {
    let (mut from_near, mut to_near) = tokio::io::split(far);
    let writer = data.writer.clone();
    let outwards = async move {
        let mut buffer = vec![0; BUFFER / 2];
        while let Ok(length @ 1..) = from_near.read(&mut buffer).await {
            if !writer.send(&buffer[..length]).await {
                return;
            }
        }
        writer.finish().await;
    };
    let inwards = async move {
        while let Some(bytes) = data.data.recv().await {
            if to_near.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // What was wrong is known before the end is seen.
        if let Some(why) = errors.data.recv().await {
            *failure.lock() = Some(String::from_utf8_lossy(&why).into_owned());
        }
        let _gone = to_near.shutdown().await;
    };
    tokio::select! { biased;
        () = inwards => {}
        () = async { outwards.await; std::future::pending().await } => {}
    }
}

impl AsyncRead for Forwarded {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.near).poll_read(context, buffer))?;
        let failure = if buffer.filled().len() == before { this.failure.lock().take() } else { None };
        Poll::Ready(failure.map_or(Ok(()), |why| Err(io::Error::other(why))))
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().near).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().near).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().near).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// Serves one connection as containerd does: `said`, then what went wrong.
    async fn served(said: &'static [u8], wrong: &'static [u8]) -> Forwarded {
        let (io, theirs) = tokio::io::duplex(BUFFER);
        let (sender, mut opened) = mpsc::channel(4);
        tokio::spawn(spdy::serve(theirs, sender));
        let forwarded = forward(io, 80);
        let (errors, mut data) = (opened.recv().await.expect("errors"), opened.recv().await.expect("data"));
        assert_eq!((errors.headers["streamtype"].as_str(), data.headers["port"].as_str()), ("error", "80"));
        tokio::spawn(async move {
            data.writer.send(said).await;
            let _asked = data.data.recv().await;
            if !wrong.is_empty() {
                errors.writer.send(wrong).await;
            }
            errors.writer.finish().await;
            data.writer.finish().await;
        });
        forwarded
    }

    #[tokio::test]
    async fn both_sides_speak_and_the_end_is_heard() {
        let mut forwarded = served(b"welcome", b"").await;
        let mut heard = [0; 7];
        forwarded.read_exact(&mut heard).await.expect("it is said");
        forwarded.write_all(b"bye").await.expect("it is taken");
        assert_eq!((&heard[..], forwarded.read(&mut [0]).await.expect("the end")), (&b"welcome"[..], 0));
    }

    #[tokio::test]
    async fn what_went_wrong_is_an_error_of_reading() {
        let mut forwarded = served(b"", b"connection refused").await;
        forwarded.write_all(b"hello").await.expect("it is taken");
        let error = forwarded.read(&mut [0]).await.expect_err("nobody listens");
        assert_eq!(error.to_string(), "connection refused");
    }
}

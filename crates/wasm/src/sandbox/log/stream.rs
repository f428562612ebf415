//! A guest's stdout and stderr, for WASI 0.2 and 0.3, wherever they go.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::Stream;

/// What a guest may write at once. Small, because single bytes that are lines grow a lot when formatted.
const PIECE: usize = 4 << 10;

/// Where a guest's output goes.
pub(crate) trait Sink: Send + Sync + 'static {
    /// Takes what was written.
    fn take(self: Arc<Self>, stream: Stream, bytes: &[u8]);

    /// Ready when there is room for another piece.
    fn poll_room(&self, context: &Context<'_>) -> Poll<()>;

    /// Whether there is room now.
    fn has_room(&self) -> bool;
}

/// One of a guest's two output streams.
#[derive(Clone)]
pub(crate) struct Output {
    sink: Arc<dyn Sink>,
    stream: Stream,
    terminal: bool,
}

impl Output {
    pub(crate) fn new(sink: Arc<dyn Sink>, stream: Stream, terminal: bool) -> Self {
        Output { sink, stream, terminal }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        self.terminal
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.sink.clone().take(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(if self.sink.has_room() { PIECE } else { 0 })
    }
}

impl Pollable for Output {
    // Written out, not `async`: the trait is made by the async-trait macro.
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(std::future::poll_fn(|context| self.sink.poll_room(context)))
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.sink.poll_room(context));
        let piece = &bytes[..bytes.len().min(PIECE)];
        self.sink.clone().take(self.stream, piece);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

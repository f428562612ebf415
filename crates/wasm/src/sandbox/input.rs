//! Standard input that a client fills.

use std::sync::Arc;

use tokio::io::{AsyncRead, DuplexStream};
use wasmtime_wasi::cli::{AsyncStdinStream, IsTerminal, StdinStream};
use wasmtime_wasi::p2::InputStream;

/// Bytes that may wait for a guest that does not read.
const WAITING: usize = 64 << 10;

/// A guest's standard input. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Input {
    stream: Arc<AsyncStdinStream>,
    terminal: bool,
}

impl Input {
    /// The input, and the end that fills it.
    pub(crate) fn new(terminal: bool) -> (Self, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(WAITING);
        (Input { stream: Arc::new(AsyncStdinStream::new(theirs)), terminal }, ours)
    }
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        self.terminal
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        self.stream.async_stream()
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        self.stream.p2_stream()
    }
}

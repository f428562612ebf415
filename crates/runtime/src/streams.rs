//! Talking to what runs in a container while it runs: `kubectl exec`, `attach` and `port-forward`, probes and hooks by command.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::Result;

/// Running a command inside a container's sandbox.
///
/// # Contract
/// Any number of commands may run in a container at a time. A command ends at the latest with its container; one whose future is dropped
/// is killed.
pub trait Exec: Send + Sync {
    /// Runs `command` to its end and returns the exit code, after all it printed was handed to `streams.output`. Fails with
    /// [`Error::NotFound`](crate::Error::NotFound) when there is no such container, with
    /// [`Error::Invalid`](crate::Error::Invalid) when it does not run or the command cannot be found.
    fn run<'a>(&'a self, id: &'a str, command: Vec<String>, streams: Streams) -> BoxFuture<'a, Result<i32>>;

    /// Runs `command` without input, as probes and hooks do, and answers how it ended; `None` when that took longer than `limit`, after
    /// which it is killed. Fails as [`run`](Self::run) does.
    fn run_within<'a>(
        &'a self,
        id: &'a str,
        command: Vec<String>,
        limit: Duration,
    ) -> BoxFuture<'a, Result<Option<Ran>>> {
        let (sender, output) = mpsc::channel(16);
        let run = self.run(id, command, Streams::listening(sender));
        Box::pin(async move {
            let ran = tokio::time::timeout(limit, async { tokio::join!(run, first_of(output)) }).await;
            let Ok((ended, output)) = ran else { return Ok(None) };
            ended.map(|code| Some(Ran { code, output }))
        })
    }
}

/// Bytes of a short command's output that are kept, as the kubelet's `maxReadLength` of exec probes.
const KEPT: usize = 10 << 10;

/// How a command without a client ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// The beginning of what it printed, standard output and error.
    pub output: Vec<u8>,
}

impl Ran {
    /// Of all that was printed the beginning is kept.
    pub fn new(code: i32, mut output: Vec<u8>) -> Self {
        output.truncate(KEPT);
        Self { code, output }
    }
}

/// Listens to the end and keeps the beginning.
async fn first_of(mut output: mpsc::Receiver<ExecOutput>) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Some(ExecOutput::Stdout(piece) | ExecOutput::Stderr(piece)) = output.recv().await {
        kept.extend_from_slice(&piece[..piece.len().min(KEPT - kept.len())]);
    }
    kept
}

/// A client's ends of a command's, or a container's, standard streams. Everything in them is bounded: who is slow makes the other wait.
pub struct Streams {
    /// What the client sends. Its end is the end of the command's input.
    pub stdin: BoxStream<'static, Bytes>,
    /// Takes what is printed; closed once the client has gone. At a terminal everything is [`ExecOutput::Stdout`].
    pub output: mpsc::Sender<ExecOutput>,
    /// The sizes of the client's terminal, as it changes; `None` when it has none.
    pub terminal: Option<BoxStream<'static, TerminalSize>>,
}

impl Streams {
    /// Of a client that sends nothing and has no terminal.
    pub fn listening(output: mpsc::Sender<ExecOutput>) -> Self {
        Self { stdin: futures::stream::empty().boxed(), output, terminal: None }
    }
}

/// A piece of a command's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecOutput {
    /// Standard output.
    Stdout(Bytes),
    /// Standard error.
    Stderr(Bytes),
}

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// What a container offers to those who attach to it, from `stdin`, `stdinOnce` and `tty` of its specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interactive {
    /// Its standard input stays open for clients; otherwise it is at its end from the beginning.
    pub stdin: bool,
    /// Its standard input ends with that of the first client.
    pub stdin_once: bool,
    /// It runs at a terminal.
    pub tty: bool,
}

/// A byte stream in both directions.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Connection for S {}

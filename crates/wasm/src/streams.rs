//! The agent's side of exec and attach: a command becomes compiled code, a client becomes a connection to the sandbox process.

mod terminal;
mod toolbox;
pub(crate) mod wire;

use std::io;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sampan_runtime::{Error, Exec, ExecOutput, Result, Streams};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};

use crate::compile::agent::Compiled;
use crate::protocol;
use crate::runtime::WasmRuntime;
use terminal::Terminal;
use toolbox::Program;
use wire::{Command, Ended, Open, Packet};

/// Exit code of a command that Ctrl-C ended, as shells have it.
const INTERRUPTED: i32 = 130;

impl Exec for WasmRuntime {
    fn run<'a>(&'a self, id: &'a str, command: Vec<String>, streams: Streams) -> BoxFuture<'a, Result<i32>> {
        Box::pin(async move {
            let open = self.command(id, command, streams.terminal.is_some()).await?;
            self.talk(id, open, streams).await
        })
    }
}

impl WasmRuntime {
    pub(crate) async fn attach_to(&self, id: &str, streams: Streams) -> Result<()> {
        self.talk(id, Open::Attach { container: id.to_owned() }, streams).await.map(drop)
    }

    async fn command(&self, id: &str, args: Vec<String>, terminal: bool) -> Result<Open> {
        let word = args.first().map(String::as_str).unwrap_or_default();
        let mut processes = false;
        let Compiled { code, artifact } = match toolbox::program(word) {
            Program::Tool(name) => {
                processes = name == "ps";
                self.images.compiled_bytes(toolbox::digest(), toolbox::COMPONENT).await?
            }
            Program::File(path) => {
                let wasm = self.read(id, path).await?;
                let digest = crate::image::digest_of(&wasm);
                self.images.compiled_bytes(&digest, &wasm).await.map_err(|error| named(path, error))?
            }
            Program::Unknown => return Err(Error::Invalid(toolbox::unknown(word))),
        };
        if let Some(missing) = artifact.missing().first() {
            return Err(Error::Invalid(format!("{word} imports {missing}, which this node does not offer")));
        }
        if artifact.entry.serves() {
            return Err(Error::Invalid(format!(
                "{word} serves requests and is no command; it must export wasi:cli/run"
            )));
        }
        let container = id.to_owned();
        Ok(Open::Exec(Box::new(Command { container, code, artifact, args, terminal, processes })))
    }

    /// A file as the container sees it, read by the sandbox: the agent's own rights reach further than a pod's.
    async fn read(&self, id: &str, path: &str) -> Result<Vec<u8>> {
        let (sender, mut output) = mpsc::channel(8);
        let open = Open::Read { container: id.to_owned(), path: path.to_owned() };
        let limit = self.images.largest_layer();
        let gather = async {
            let mut bytes = Vec::new();
            while let Some(ExecOutput::Stdout(piece) | ExecOutput::Stderr(piece)) = output.recv().await {
                bytes.extend_from_slice(&piece);
                if bytes.len() as u64 > limit {
                    return Err(Error::Invalid(format!("{path} is larger than {limit} bytes")));
                }
            }
            Ok(bytes)
        };
        let talk = self.talk(id, open, Streams::listening(sender));
        futures::try_join!(talk, gather).map(|(_, bytes)| bytes)
    }

    async fn talk(&self, id: &str, open: Open, streams: Streams) -> Result<i32> {
        let broken = |error: io::Error| {
            Error::Unavailable(format!(
                "the streams to container {id} broke off: {error}; its sandbox process may have ended"
            ))
        };
        let (from, mut to) = self.fleet.streams(id).await?.into_split();
        to.write_all(&protocol::encode(&open)).await.map_err(broken)?;
        let ended = carry(from, to, streams).await.map_err(broken)?;
        ended.map_err(Error::from)
    }
}

fn named(path: &str, error: Error) -> Error {
    match error {
        Error::BadImage { message, .. } => Error::Invalid(format!("{path} cannot be run: {message}")),
        other => other,
    }
}

/// Packets to and from a sandbox until the last one; dropping it ends what runs there.
async fn carry(from: OwnedReadHalf, to: OwnedWriteHalf, streams: Streams) -> io::Result<Ended> {
    let Streams { stdin, output, terminal } = streams;
    let (taken, interrupted) = (Notify::new(), Notify::new());
    let at_terminal = terminal.is_some();
    let sizes = async {
        let Some(mut sizes) = terminal else { return };
        while sizes.next().await.is_some() {}
    };
    let input = Input { to, taken: &taken, interrupted: &interrupted, echo: at_terminal.then(|| output.clone()) };
    let input = input.run(stdin);
    let outputs = outputs(from, output, &taken, at_terminal);
    let inputs = async {
        // A command that ends before it has read everything breaks this off; how it ended is said on the other side. Kept open until
        // then: its end would tell the sandbox that nobody is there.
        let _open = tokio::join!(input, sizes);
        std::future::pending::<()>().await
    };
    tokio::select! { biased;
        ended = outputs => ended,
        () = interrupted.notified() => Ok(Ok(INTERRUPTED)),
        () = inputs => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

struct Input<'a> {
    to: OwnedWriteHalf,
    taken: &'a Notify,
    interrupted: &'a Notify,
    /// Where a terminal shows what is typed.
    echo: Option<mpsc::Sender<ExecOutput>>,
}

impl Input<'_> {
    /// Sends what the client sends, piece by piece, and then its end.
    async fn run(mut self, mut stdin: BoxStream<'static, Bytes>) -> io::Result<OwnedWriteHalf> {
        let mut terminal = Terminal::default();
        while let Some(bytes) = stdin.next().await {
            let Some(echo) = &self.echo else {
                self.send(&bytes).await?;
                continue;
            };
            let typed = terminal.typed(&bytes);
            let _gone = echo.send(ExecOutput::Stdout(typed.echo.into())).await;
            if typed.interrupted {
                self.interrupted.notify_one();
                return Ok(self.to);
            }
            self.send(&typed.input).await?;
            if typed.end {
                break;
            }
        }
        wire::write(&mut self.to, &Packet::StdinEnd).await?;
        Ok(self.to)
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(wire::PIECE) {
            wire::write(&mut self.to, &Packet::Stdin(Bytes::copy_from_slice(piece))).await?;
            self.taken.notified().await;
        }
        Ok(())
    }
}

async fn outputs(
    mut from: OwnedReadHalf,
    output: mpsc::Sender<ExecOutput>,
    taken: &Notify,
    at_terminal: bool,
) -> io::Result<Ended> {
    let shown = |bytes: Bytes| if at_terminal { terminal::printed(&bytes).into() } else { bytes };
    loop {
        let piece = match wire::read(&mut from).await? {
            Some(Packet::Stdout(bytes)) => ExecOutput::Stdout(shown(bytes)),
            Some(Packet::Stderr(bytes)) if at_terminal => ExecOutput::Stdout(shown(bytes)),
            Some(Packet::Stderr(bytes)) => ExecOutput::Stderr(bytes),
            Some(Packet::Taken) => {
                taken.notify_one();
                continue;
            }
            Some(Packet::End(ended)) => return Ok(ended),
            Some(other) => return Err(io::Error::other(format!("a sandbox sent {other:?}"))),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        // A client that has gone drops this future.
        let _gone = output.send(piece).await;
    }
}

/// Connects to the socket for streams of a sandbox process.
pub(crate) fn connect(directory: &std::path::Path) -> io::Result<UnixStream> {
    let stream = crate::process::connect_streams(directory)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

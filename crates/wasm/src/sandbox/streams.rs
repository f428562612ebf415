//! The sandbox's side of the socket for streams: commands, attached clients, files.

use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use bytes::Bytes;
use sampan_runtime::{Exit, ExitReason};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::container::Container;
use super::input::Input;
use super::log::Stream;
use super::pipe::Pipe;
use super::pods::Pods;
use super::{command, outcome};
use crate::protocol::{self, Failure};
use crate::streams::wire::{self, Command, Ended, Open, Packet};

/// Accepts clients for ever.
pub(crate) async fn serve(listener: UnixListener, pods: Arc<Pods>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(client(stream, pods.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a client");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn client(stream: UnixStream, pods: Arc<Pods>) {
    let (mut from, mut to) = stream.into_split();
    let served = match protocol::read::<Open>(&mut from).await {
        Ok(Some(open)) => perform(open, from, &mut to, &pods).await,
        Ok(None) => return,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a client's streams broke off");
    }
}

async fn perform(
    open: Open,
    from: OwnedReadHalf,
    to: &mut (impl AsyncWrite + Unpin),
    pods: &Arc<Pods>,
) -> io::Result<()> {
    let ended = match open {
        Open::Exec(command) => match pods.running(&command.container) {
            Ok(container) => exec(*command, &container, pods, from, to).await?,
            Err(failure) => Err(failure),
        },
        Open::Attach { container } => match pods.running(&container) {
            Ok(container) => attach(&container, from, to).await?,
            Err(failure) => Err(failure),
        },
        Open::Read { container, path } => {
            match pods.running(&container).and_then(|container| find(&container, &path)) {
                Ok(file) => send(file, to).await?,
                Err(failure) => Err(failure),
            }
        }
    };
    wire::write(to, &Packet::End(ended)).await
}

/// Runs a command under the container's share and budget; it ends with the container, or when the client goes.
async fn exec(
    command: Command,
    container: &Arc<Container>,
    pods: &Arc<Pods>,
    from: OwnedReadHalf,
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<Ended> {
    let Command { code, artifact, mut args, terminal, processes, .. } = command;
    if processes {
        args.extend(pods.processes(&container.create.config.sandbox));
    }
    let (code, pipe) = (pods.code(&code), Arc::new(Pipe::default()));
    let (input, filled) = Input::new(terminal);
    let guest = || container.command(artifact.entry, &args, &input, &pipe, terminal);
    let running = async {
        let exit = tokio::select! { biased;
            exit = container.share.run(command::run_code(&code, artifact.entry, guest)) => exit,
            () = container.over() => outcome::killed("its container has ended"),
        };
        pipe.end();
        exit
    };
    let mut stdin = Stdin { to: Some(filled), stays_open: false };
    let exit = {
        let mut talking = std::pin::pin!(talk(&mut stdin, from, to, &pipe));
        let exit = tokio::select! { biased;
            // Everything cannot have been sent yet: the client has gone, and the command goes with it.
            sent = &mut talking => return Err(sent.err().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())),
            exit = running => exit,
        };
        // What was printed last is still on its way.
        talking.await?;
        exit
    };
    tell_why(&exit, to).await?;
    Ok(match exit.reason {
        ExitReason::StartError => Err(Failure::Invalid(exit.message)),
        _ => Ok(exit.code),
    })
}

/// A trap or a broken limit shows itself in the exit code alone; standard error says what it was.
async fn tell_why(exit: &Exit, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    if exit.message.is_empty() || exit.reason == ExitReason::StartError {
        return Ok(());
    }
    let mut why = format!("sampan: {}\n", exit.message);
    why.truncate((0..=why.len().min(wire::PIECE)).rev().find(|end| why.is_char_boundary(*end)).unwrap_or(0));
    wire::write(to, &Packet::Stderr(why.into())).await
}

/// Shares the container's streams until it ends or the client goes.
async fn attach(container: &Container, from: OwnedReadHalf, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<Ended> {
    let pipe = Arc::new(Pipe::default());
    container.log.watch(&pipe);
    let over = async {
        container.wait().await;
        pipe.end();
        std::future::pending::<()>().await
    };
    let once = container.create.config.interactive.stdin_once;
    let mut stdin = Stdin { to: container.take_stdin(), stays_open: !once };
    let sent = tokio::select! { biased;
        sent = talk(&mut stdin, from, to, &pipe) => sent,
        () = over => Ok(()),
    };
    if !once {
        container.return_stdin(stdin.to);
    }
    sent.map(|()| Ok(0))
}

/// Where input goes.
struct Stdin {
    to: Option<DuplexStream>,
    /// The end of a client's input is not the end of the guest's.
    stays_open: bool,
}

impl Stdin {
    async fn take(&mut self, piece: Option<Bytes>) {
        match (piece, &mut self.to) {
            // A guest that reads no more is no failure of the client.
            (Some(bytes), Some(to)) => drop(to.write_all(&bytes).await),
            (None, _) if !self.stays_open => self.to = None,
            _ => {}
        }
    }
}

/// Packets both ways until everything printed was sent, or the client has gone, which is an error.
async fn talk(
    stdin: &mut Stdin,
    from: OwnedReadHalf,
    to: &mut (impl AsyncWrite + Unpin),
    pipe: &Pipe,
) -> io::Result<()> {
    // One piece of input at a time, so that reading never waits for the guest.
    let (sender, mut pieces) = mpsc::channel::<Option<Bytes>>(1);
    let (told, mut taken) = mpsc::channel::<()>(1);
    let filling = async {
        while let Some(piece) = pieces.recv().await {
            stdin.take(piece).await;
            let _gone = told.send(()).await;
        }
        std::future::pending::<()>().await
    };
    let writing = async {
        loop {
            let packet = tokio::select! { biased;
                Some(()) = taken.recv() => Packet::Taken,
                piece = pipe.next() => match piece {
                    Some((Stream::Stdout, bytes)) => Packet::Stdout(bytes),
                    Some((Stream::Stderr, bytes)) => Packet::Stderr(bytes),
                    None => return Ok(()),
                },
            };
            wire::write(to, &packet).await?;
        }
    };
    tokio::select! { biased;
        sent = writing => sent,
        error = read(from, sender) => Err(error),
        () = filling => Ok(()),
    }
}

/// Passes input on; returns why no more comes.
async fn read(mut from: OwnedReadHalf, pieces: mpsc::Sender<Option<Bytes>>) -> io::Error {
    loop {
        let piece = match wire::read(&mut from).await {
            Ok(Some(Packet::Stdin(bytes))) => Some(bytes),
            Ok(Some(Packet::StdinEnd)) => None,
            Ok(Some(other)) => return io::Error::other(format!("the agent sent {other:?}")),
            Ok(None) => return io::ErrorKind::BrokenPipe.into(),
            Err(error) => return error,
        };
        let _over = pieces.send(piece).await;
    }
}

/// A file below one of the container's mounts, opened with its links resolved and still there.
fn find(container: &Container, path: &str) -> Result<std::fs::File, Failure> {
    let whole = Path::new(&container.create.config.working_dir).join(path);
    let whole = Path::new("/").join(whole);
    let missing = || Failure::Invalid(format!("exec: {path:?}: no such file in the container's volumes"));
    if whole.components().any(|part| part == Component::ParentDir) {
        return Err(missing());
    }
    let (source, rest) = container.mounted(&whole).ok_or_else(missing)?;
    let root = std::fs::canonicalize(&source).map_err(|_| missing())?;
    let file = std::fs::canonicalize(root.join(rest)).map_err(|_| missing())?;
    if !file.starts_with(&root) || !file.is_file() {
        return Err(missing());
    }
    std::fs::File::open(&file).map_err(|error| Failure::Invalid(format!("exec: {path:?}: {error}")))
}

async fn send(file: std::fs::File, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<Ended> {
    let mut file = tokio::fs::File::from_std(file);
    let mut buffer = vec![0; wire::PIECE];
    loop {
        let length = file.read(&mut buffer).await?;
        if length == 0 {
            return Ok(Ok(0));
        }
        wire::write(to, &Packet::Stdout(Bytes::copy_from_slice(&buffer[..length]))).await?;
    }
}

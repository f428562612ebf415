//! The sandbox's side of the socket.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::pods::Pods;
use crate::protocol::{self, Answer, Call, Failure, Hello, Message, Request};

/// Accepts agents until `shutdown`.
pub(crate) async fn serve(listener: UnixListener, pods: Arc<Pods>, shutdown: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(talk(stream, pods.clone(), shutdown.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept the agent");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

/// One agent's connection.
async fn talk(stream: UnixStream, pods: Arc<Pods>, shutdown: CancellationToken) {
    let (mut from, to) = stream.into_split();
    let (listener, receiver) = pods.listeners.add();
    // Added to the listeners first: a change between the two is told twice, never not at all.
    let (configs, containers) = pods.everything();
    let hello = Hello { version: protocol::VERSION, pid: std::process::id(), pods: configs, containers };
    let (cut, written) = (listener.cut.clone(), write(to, protocol::encode(&hello), receiver));
    tokio::spawn(async move { cut.run_until_cancelled(written).await });
    loop {
        let request = listener.cut.run_until_cancelled(protocol::read::<Request>(&mut from));
        let Some(request) = request.await else { return tracing::warn!("the agent reads too slowly and is cut off") };
        match request {
            Ok(Some(Request { call: Call::Shutdown, .. })) => return shutdown.cancel(),
            Ok(Some(Request { id, call })) => {
                tokio::spawn(answer(id, call, pods.clone(), listener.frames.clone()));
            }
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "the agent's connection broke"),
        }
    }
}

async fn write(mut to: OwnedWriteHalf, hello: Vec<u8>, mut frames: mpsc::Receiver<Vec<u8>>) {
    if to.write_all(&hello).await.is_err() {
        return;
    }
    while let Some(frame) = frames.recv().await {
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn answer(id: u64, call: Call, pods: Arc<Pods>, sender: mpsc::Sender<Vec<u8>>) {
    let result = perform(call, &pods).await;
    // An agent that is gone does not care.
    let _ = sender.send(protocol::encode(&Message::Reply { id, result })).await;
}

async fn perform(call: Call, pods: &Arc<Pods>) -> Result<Answer, Failure> {
    match call {
        Call::Open(config) => pods.open(*config)?,
        Call::Close { sandbox } => pods.close(&sandbox).await?,
        Call::Create(create) => pods.create(*create)?,
        Call::Start { container } => pods.start(&container).await?,
        Call::Stop { container, grace } => pods.stop(&container, grace).await?,
        Call::Remove { container } => pods.remove(&container)?,
        Call::Probe { container, probe } => return pods.probe(&container, probe).await.map(Answer::Probed),
        Call::Stats { container } => return pods.stats(&container).map(Answer::Stats),
        Call::Shutdown => {}
    }
    Ok(Answer::Done)
}

//! The sandbox's side of the socket.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::listeners::News;
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

/// Replies that may wait for an agent.
const BACKLOG: usize = 256;

/// One agent's connection.
async fn talk(stream: UnixStream, pods: Arc<Pods>, shutdown: CancellationToken) {
    let (mut from, to) = stream.into_split();
    let news = pods.listeners.add();
    // Added to the listeners first: a change between the two is told twice, never not at all.
    let (configs, containers) = pods.everything();
    let hello = Hello { version: protocol::VERSION, pid: std::process::id(), pods: configs, containers };
    let (replies, receiver) = mpsc::channel(BACKLOG);
    tokio::spawn(write(to, protocol::encode(&hello), receiver, news));
    loop {
        match protocol::read::<Request>(&mut from).await {
            Ok(Some(Request { call: Call::Shutdown, .. })) => return shutdown.cancel(),
            Ok(Some(Request { id, call })) => {
                tokio::spawn(answer(id, call, pods.clone(), replies.clone()));
            }
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "the agent's connection broke"),
        }
    }
}

/// Writes until nobody reads, or nobody is left who replies.
async fn write(mut to: OwnedWriteHalf, hello: Vec<u8>, mut replies: mpsc::Receiver<Vec<u8>>, news: Arc<News>) {
    let mut frames = hello;
    while to.write_all(&frames).await.is_ok() {
        let reply = tokio::select! {
            reply = replies.recv() => match reply {
                Some(reply) => reply,
                None => return,
            },
            () = news.some() => Vec::new(),
        };
        // What a call changed is heard before its reply.
        frames = news.take();
        frames.extend(reply);
    }
}

async fn answer(id: u64, call: Call, pods: Arc<Pods>, replies: mpsc::Sender<Vec<u8>>) {
    let result = perform(call, &pods).await;
    // An agent that is gone does not care.
    let _ = replies.send(protocol::encode(&Message::Reply { id, result })).await;
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

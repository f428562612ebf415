//! What happens to containers, as containerd tells it: hints for the node.

use std::time::Duration;

use prost::Message as _;
use sampan_runtime::{Event, Result};
use tokio::task::JoinSet;

use crate::cri;
use crate::names;
use crate::runtime::Parts;

/// Where containerd keeps what came by CRI.
const NAMESPACE: &str = "k8s.io";

/// How long CRI may take to know of an end that containerd told of.
const SETTLING: Duration = Duration::from_secs(10);

/// Between two attempts to listen.
const RETRY: Duration = Duration::from_secs(1);

/// Listens for ever.
pub(crate) async fn listen(parts: Parts) {
    loop {
        // A subscription with nobody there would fail at once, and what happens before the next would be told as a gap only.
        answers(&parts).await;
        let heard = async {
            if let Err(status) = hear(&parts).await {
                tracing::debug!(%status, "containerd's events ended; they are listened to again");
            }
        };
        tokio::join!(heard, catch_up(&parts));
        tokio::time::sleep(RETRY).await;
    }
}

/// What happened before listening began is told as a gap, once the runtime answers: by then it has the subscription, which came first.
async fn catch_up(parts: &Parts) {
    answers(parts).await;
    let _nobody_listens = parts.hints.send(Event::Lagged);
}

/// Waits until the runtime answers.
async fn answers(parts: &Parts) {
    while let Err(error) = parts.client.call(cri::VersionRequest { version: String::new() }, "").await {
        tracing::debug!(%error, "waiting for containerd");
        tokio::time::sleep(RETRY).await;
    }
}

async fn hear(parts: &Parts) -> std::result::Result<(), tonic::Status> {
    let filters = ["/tasks/exit", "/tasks/start"].map(|topic| format!("namespace=={NAMESPACE},topic=={topic}"));
    let mut events = parts.client.stream(cri::SubscribeRequest { filters: filters.to_vec() }).await?;
    let mut passing = JoinSet::new();
    loop {
        tokio::select! { biased;
            Some(_) = passing.join_next(), if !passing.is_empty() => {}
            event = events.message() => match event? {
                Some(event) => { passing.spawn(pass(parts.clone(), event)); }
                None => return Ok(()),
            },
        }
    }
}

async fn pass(parts: Parts, event: cri::Envelope) {
    let Some(container) = container(&event) else { return };
    let ended = event.topic == "/tasks/exit";
    if let Err(error) = tell(&parts, &container, ended).await {
        tracing::warn!(container, %error, "an event of a container could not be looked into; all are looked at");
        let _nobody_listens = parts.hints.send(Event::Lagged);
    }
}

/// The container the event is about; a command that was run inside one has ended by itself.
fn container(event: &cri::Envelope) -> Option<String> {
    let value = event.event.as_ref()?.value.as_slice();
    if event.topic != "/tasks/exit" {
        return Some(cri::TaskEvent::decode(value).ok()?.container_id);
    }
    let exit = cri::TaskExit::decode(value).ok()?;
    (exit.id == exit.container_id || exit.id.is_empty()).then_some(exit.container_id)
}

async fn tell(parts: &Parts, id: &str, ended: bool) -> Result<()> {
    let Some(mut status) = parts.ask(id).await? else { return tell_of_sandbox(parts, id, ended).await };
    if !parts.names.is_ours(&status.labels) {
        return Ok(());
    }
    let begin = tokio::time::Instant::now();
    // CRI hears of an end when we do, and needs a moment to write it down: who asked before that would hear that the container runs.
    while ended && status.state() == cri::ContainerState::Running && begin.elapsed() < SETTLING {
        tokio::time::sleep(Duration::from_millis(5)).await;
        match parts.ask(id).await? {
            Some(newer) => status = newer,
            None => break,
        }
    }
    parts.hint(names::sandbox_id(&status.labels), names::container_id(&status.labels));
    Ok(())
}

/// The process of a sandbox of ours is gone; one that was closed is gone with it.
async fn tell_of_sandbox(parts: &Parts, id: &str, ended: bool) -> Result<()> {
    if !ended {
        return Ok(());
    }
    let request = cri::PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: false };
    let answer = match parts.client.call(request, id).await {
        Err(sampan_runtime::Error::NotFound(_)) => return Ok(()),
        other => other?,
    };
    let Some(status) = answer.status.filter(|status| parts.names.is_ours(&status.labels)) else { return Ok(()) };
    let sandbox = names::sandbox_id(&status.labels).to_owned();
    let _nobody_listens = parts.hints.send(Event::SandboxLost { sandbox });
    Ok(())
}

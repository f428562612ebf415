//! Running programs that are only imagined.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{End, Program, Shared, log};
use crate::{ContainerConfig, ContainerState, Error, Event, Exit, ExitReason, NetworkAttachment, Result};

pub(super) async fn start(shared: &Arc<Shared>, id: &str) -> Result<()> {
    let (config, program, stop, network) = {
        let now = shared.now();
        let mut state = shared.state();
        let container = state.container_mut(id)?;
        if container.state != ContainerState::Created {
            return Ok(());
        }
        container.state = ContainerState::Running { started_at: now };
        let (config, reference, stop) =
            (container.config.clone(), container.reference.clone(), container.stop.subscribe());
        let program = state.registry.get(&reference).map(|image| image.program.clone()).unwrap_or_default();
        let network = state.sandboxes.get(&config.sandbox).and_then(|sandbox| sandbox.config.network.clone());
        (config, program, stop, network)
    };
    tell(shared, &config);
    if let Err(error) = log::write(&config, &program, shared.now()) {
        finish(
            shared,
            id,
            exit(128, ExitReason::StartError, &format!("failed to write log {}: {error}", config.log.path.display())),
        );
        return Ok(());
    }
    match ends_at_once(&config, &program) {
        Some(exit) => finish(shared, id, exit),
        None => launch(shared, config, program, stop, network).await,
    }
    Ok(())
}

fn exit(code: i32, reason: ExitReason, message: &str) -> Exit {
    Exit { code, reason, message: message.to_owned() }
}

fn by_code(code: i32) -> Exit {
    exit(code, if code == 0 { ExitReason::Completed } else { ExitReason::Error }, "")
}

fn ends_at_once(config: &ContainerConfig, program: &Program) -> Option<Exit> {
    if config.resources.memory_limit_bytes.is_some_and(|limit| program.memory_bytes > limit) {
        return Some(exit(137, ExitReason::OomKilled, "the guest wanted more memory than its limit"));
    }
    match program.end {
        End::Trap => Some(exit(134, ExitReason::Error, "trap: unreachable executed")),
        End::Exit { code, after } if after.is_zero() => Some(by_code(code)),
        End::Exit { .. } | End::Never => None,
    }
}

async fn launch(
    shared: &Arc<Shared>,
    config: ContainerConfig,
    program: Program,
    stop: watch::Receiver<bool>,
    network: Option<NetworkAttachment>,
) {
    let listener = match (program.serves, network, config.ports.first()) {
        (true, Some(network), Some(port)) => TcpListener::bind((network.ip(), port.port)).await.map(Some),
        _ => Ok(None),
    };
    match listener {
        Ok(listener) => drop(tokio::spawn(run(shared.clone(), config.id, program, stop, listener))),
        Err(error) => {
            finish(shared, &config.id, exit(128, ExitReason::StartError, &format!("failed to listen: {error}")))
        }
    }
}

async fn run(
    shared: Arc<Shared>,
    id: String,
    program: Program,
    mut stop: watch::Receiver<bool>,
    listener: Option<TcpListener>,
) {
    let ends = async {
        match program.end {
            End::Exit { code, after } => {
                tokio::time::sleep(after).await;
                by_code(code)
            }
            End::Trap | End::Never => std::future::pending().await,
        }
    };
    let stopped = async {
        let asked = stop.wait_for(|asked| *asked).await.is_ok();
        if program.ignores_stop || !asked {
            std::future::pending::<()>().await;
        }
        exit(143, ExitReason::Error, "stopped")
    };
    let ended = shared.state().containers.get(&id).map(|container| container.ended.subscribe());
    let Some(mut ended) = ended else { return };
    let from_outside = async move {
        let _removed = ended.wait_for(|ended| *ended).await;
    };
    tokio::select! { biased;
        () = from_outside => {}
        exit = ends => finish(&shared, &id, exit),
        exit = stopped => finish(&shared, &id, exit),
        () = serve(listener) => {}
    }
}

async fn serve(listener: Option<TcpListener>) {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    }
}

async fn answer(mut stream: TcpStream) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n").await;
}

/// Asks, waits for `grace`, then kills.
pub(super) async fn stop(shared: &Arc<Shared>, id: &str, grace: Duration) -> Result<()> {
    let mut ended = {
        let mut state = shared.state();
        let container = state.container_mut(id)?;
        if !matches!(container.state, ContainerState::Running { .. }) {
            return Ok(());
        }
        container.stop.send_replace(true);
        container.ended.subscribe()
    };
    let in_time = tokio::time::timeout(grace, ended.wait_for(|ended| *ended)).await;
    if in_time.is_err() {
        finish(shared, id, killed());
    }
    Ok(())
}

fn killed() -> Exit {
    exit(137, ExitReason::Error, "killed after its grace period")
}

/// Writes down the end of a running container and tells everybody who waits for it.
pub(super) fn finish(shared: &Arc<Shared>, id: &str, exit: Exit) {
    let now = shared.now();
    let config = {
        let mut state = shared.state();
        let Some(container) = state.containers.get_mut(id) else { return };
        let ContainerState::Running { started_at } = container.state else { return };
        container.state = ContainerState::Exited { started_at, finished_at: now, exit };
        container.ended.send_replace(true);
        container.config.clone()
    };
    tell(shared, &config);
}

fn tell(shared: &Arc<Shared>, config: &ContainerConfig) {
    shared.tell(Event::Container { sandbox: config.sandbox.clone(), container: config.id.clone() });
}

fn members(shared: &Arc<Shared>, sandbox: &str) -> Vec<String> {
    let state = shared.state();
    state
        .containers
        .values()
        .filter(|container| container.config.sandbox == sandbox)
        .map(|container| container.config.id.clone())
        .collect()
}

pub(super) fn lose(shared: &Arc<Shared>, sandbox: &str) {
    if let Some(sandbox) = shared.state().sandboxes.get_mut(sandbox) {
        sandbox.ready = false;
    }
    for id in members(shared, sandbox) {
        finish(shared, &id, exit(137, ExitReason::Error, "its sandbox process is gone"));
    }
    shared.tell(Event::SandboxLost { sandbox: sandbox.to_owned() });
}

pub(super) fn close(shared: &Arc<Shared>, sandbox: &str) {
    for id in members(shared, sandbox) {
        finish(shared, &id, killed());
        shared.state().containers.remove(&id);
    }
    shared.state().sandboxes.remove(sandbox);
}

impl Drop for super::state::Container {
    /// Its program ends with it.
    fn drop(&mut self) {
        self.ended.send_replace(true);
    }
}

impl Error {
    /// A pull that failed, as scripts of the fake want it.
    pub fn pull(image: &str, message: &str) -> Self {
        Error::Pull { image: image.to_owned(), message: message.to_owned() }
    }
}

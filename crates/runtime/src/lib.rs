//! The seam between a node and what runs its containers.
//!
//! A node owns the pod's life: order, restarts, probes, hooks, volumes, status. A [`Runtime`] owns sandboxes and containers and knows
//! nothing of pods beyond the names it is given. One node may have several runtimes; each container of a pod picks one.
//!
//! What every implementation promises is written as tests in `conformance!`; `fake::FakeRuntime` keeps the same promises without
//! running anything.
#![warn(missing_docs)]

pub mod conformance;
mod error;
pub mod fake;
pub mod journal;
mod network;
pub mod spdy;
mod streams;
mod types;

pub use error::{Error, Result};
pub use network::{NetworkAttachment, PodNetwork, PodRef};
pub use streams::{Connection, Exec, ExecOutput, Interactive, Ran, Streams, TerminalSize};
pub use types::*;

use futures::future::BoxFuture;
use futures::stream::BoxStream;

/// Runs sandboxes and containers. All calls are idempotent: repeating one that succeeded succeeds and changes nothing.
pub trait Runtime: Send + Sync + 'static {
    /// The name a RuntimeClass's `handler` selects this runtime by, and the one in `containerID` (`wasm://…`).
    fn handler(&self) -> &'static str;

    /// Name, version and what the node advertises; fails when the runtime cannot run anything now, saying what is missing.
    fn status(&self) -> BoxFuture<'_, Result<RuntimeStatus>>;

    /// Whether sandboxes get their network from this runtime itself: such a one is opened without and says where it is.
    fn makes_networks(&self) -> bool {
        false
    }

    /// Makes the sandbox in which the containers of one pod run. `config.id` names it from now on. Answers where the pod is on the
    /// network: as the configuration says or, where that leaves it open, as the runtime made it.
    fn open_sandbox(&self, config: SandboxConfig) -> BoxFuture<'_, Result<NetworkAttachment>>;

    /// Kills what still runs in the sandbox and forgets it and its containers. Unknown ids are fine.
    fn close_sandbox(&self, id: &str) -> BoxFuture<'_, Result<()>>;

    /// Every sandbox this runtime knows, also those from before the agent's restart.
    fn sandboxes(&self) -> BoxFuture<'_, Result<Vec<SandboxStatus>>>;

    /// Whether this runtime can run what the reference names; looks at the manifest only. `Ok(false)` passes the image to the next runtime.
    fn accepts(&self, image: &ImagePull) -> BoxFuture<'_, Result<bool>>;

    /// Brings the image onto the node and makes it ready to start (unpacked, compiled). At most one such work per digest runs at a time.
    fn pull(&self, image: &ImagePull) -> BoxFuture<'_, Result<Image>>;

    /// The image when it is on the node already, by reference or digest, without asking a registry.
    fn image(&self, reference: &str) -> BoxFuture<'_, Result<Option<Image>>>;

    /// Makes a container, not yet running. Fails with [`Error::Invalid`] when the image needs what this node does not offer, with
    /// [`Error::NotFound`] when there is no such sandbox or the image was never pulled.
    fn create(&self, config: ContainerConfig) -> BoxFuture<'_, Result<()>>;

    /// Starts a created container. Returns once it runs, or has already ended. An unknown id is [`Error::NotFound`].
    fn start(&self, id: &str) -> BoxFuture<'_, Result<()>>;

    /// Asks the container to end and kills it after `grace`. Returns once it has ended; one that ended before, or never started, stays
    /// as it is. An unknown id is [`Error::NotFound`]. A second call may shorten the grace of a first one that still waits.
    fn stop(&self, id: &str, grace: std::time::Duration) -> BoxFuture<'_, Result<()>>;

    /// Forgets an ended (or never started) container and its files, but not its log. A running one is [`Error::Invalid`]; unknown ids
    /// are fine.
    fn remove(&self, id: &str) -> BoxFuture<'_, Result<()>>;

    /// Every container this runtime knows: the truth that events only hint at.
    fn containers(&self) -> BoxFuture<'_, Result<Vec<ContainerStatus>>>;

    /// One container of that list. A runtime that can answer without walking all of them should: the node asks after every event.
    fn container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<ContainerStatus>>> {
        Box::pin(async move { Ok(self.containers().await?.into_iter().find(|status| status.id == id)) })
    }

    /// What happens to containers from now on. Hints: after [`Event::Lagged`] list again.
    fn events(&self) -> BoxStream<'static, Event>;

    /// Asks the container's own `sampan:pod/probe` export; `Ok(None)` when it has none.
    fn probe(&self, id: &str, probe: ProbeKind) -> BoxFuture<'_, Result<Option<bool>>> {
        let _ = (id, probe);
        Box::pin(async { Ok(None) })
    }

    /// Figures of a running container: CPU time used and memory held.
    fn stats(&self, id: &str) -> BoxFuture<'_, Result<ContainerStats>>;

    /// Running commands inside containers, when this runtime can.
    fn exec(&self) -> Option<&dyn Exec> {
        None
    }

    /// Ties a client to what a running container prints and, where it was made [`Interactive`], reads. Returns once the container has
    /// ended; the client leaves by dropping the future. A client that is slower than the container misses output, so that nobody who only
    /// watches can stop it.
    fn attach<'a>(&'a self, id: &'a str, streams: Streams) -> BoxFuture<'a, Result<()>> {
        let _ = (id, streams);
        Box::pin(async {
            Err(Error::Invalid(format!(
                "runtime {} attaches nobody to its containers; see kubectl logs",
                self.handler()
            )))
        })
    }

    /// A connection to a TCP port as a process inside the sandbox would make it to localhost. `Ok(None)` where the pod's address reaches
    /// the same: the node then connects by itself.
    fn connect<'a>(&'a self, sandbox: &'a str, port: u16) -> BoxFuture<'a, Result<Option<Box<dyn Connection>>>> {
        let _ = (sandbox, port);
        Box::pin(async { Ok(None) })
    }
}

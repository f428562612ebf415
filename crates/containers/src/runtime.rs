//! [`CriRuntime`]: the seam, on CRI calls.

mod containers;
mod sandboxes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use sampan_runtime::{
    Connection, ContainerConfig, ContainerStats, ContainerStatus, Error, Event, Exec, Image, ImagePull,
    NetworkAttachment, Result, Runtime, RuntimeStatus, SandboxConfig, SandboxStatus, Streams,
};
use tokio::sync::OnceCell;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::task::AbortOnDropHandle;

use crate::cgroups::{CgroupConfig, Cgroups, Driver};
use crate::client::Client;
use crate::images::{Images, Mirror, SandboxImage};
use crate::names::Names;
use crate::{cri, events, images, logs};

/// What the runtime is told when it is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// containerd's socket, usually `/run/containerd/containerd.sock`.
    pub socket: PathBuf,
    /// Who uses this containerd, like nobody else on it: what is made carries it, and what carries another is left alone.
    pub owner: String,
    /// Registries under other names.
    pub mirrors: Vec<Mirror>,
    /// Where pods' control groups are.
    pub cgroups: CgroupConfig,
    /// A directory of archives (`*.tar`) whose images are brought into containerd at the start; one that is not there is empty.
    pub archives: Option<PathBuf>,
}

/// Runs ordinary containers on one containerd.
pub struct CriRuntime {
    parts: Parts,
    _listening: AbortOnDropHandle<()>,
    _rotating: AbortOnDropHandle<()>,
    _importing: Option<AbortOnDropHandle<()>>,
}

/// What all calls share.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) names: Names,
    pub(crate) images: Images,
    pub(crate) hints: broadcast::Sender<Event>,
    pub(crate) logs: logs::Logs,
    pub(crate) cgroups: Arc<Cgroups>,
    /// Asked for once.
    pub(crate) driver: Arc<OnceCell<Driver>>,
}

impl CriRuntime {
    /// Connects when first asked something, and again whenever the connection broke. Must be called within a tokio runtime.
    pub fn new(config: Config) -> Arc<Self> {
        let Config { socket, owner, mirrors, cgroups, archives } = config;
        let client = Client::new(&socket);
        let (hints, _) = broadcast::channel(1024);
        let (logs, growing) = logs::channel();
        let images = Images::new(client.clone(), mirrors);
        let cgroups = Arc::new(Cgroups::new(cgroups));
        let parts = Parts { client, names: Names::new(&owner), images, hints, logs, cgroups, driver: Arc::default() };
        let listening = tokio::spawn(events::listen(parts.clone()));
        let rotating = tokio::spawn(logs::rotate(parts.clone(), growing));
        let importing =
            archives.map(|directory| AbortOnDropHandle::new(tokio::spawn(images::import(socket, directory))));
        Arc::new(Self {
            parts,
            _listening: AbortOnDropHandle::new(listening),
            _rotating: AbortOnDropHandle::new(rotating),
            _importing: importing,
        })
    }
}

impl CriRuntime {
    /// The image of every sandbox, and whether it is there already; `None` where containerd does not say.
    pub async fn sandbox_image(&self) -> Result<Option<SandboxImage>> {
        let images = &self.parts.images;
        let Some(name) = images.sandbox_image().await? else { return Ok(None) };
        let present = images.known(&name).await?.is_some();
        Ok(Some(SandboxImage { name, present }))
    }
}

impl Parts {
    pub(crate) fn hint(&self, sandbox: &str, container: &str) {
        let event = Event::Container { sandbox: sandbox.to_owned(), container: container.to_owned() };
        let _nobody_listens = self.hints.send(event);
    }

    async fn status(&self) -> Result<RuntimeStatus> {
        let version = self.client.call(cri::VersionRequest { version: String::new() }, "").await?;
        let answer = self.client.call(cri::StatusRequest { verbose: false }, "").await?;
        let conditions = answer.status.unwrap_or_default().conditions;
        if let Some(unmet) = conditions.iter().find(|condition| !condition.status) {
            let cri::RuntimeCondition { kind, reason, message, .. } = unmet;
            let hint = match kind.as_str() {
                "NetworkReady" => "; put a CNI configuration where containerd looks for one, usually /etc/cni/net.d",
                _ => "",
            };
            return Err(Error::Unavailable(format!("containerd's {kind} does not hold: {reason}: {message}{hint}")));
        }
        let version = format!("{}://{}", version.runtime_name, version.runtime_version);
        Ok(RuntimeStatus { version, features: Vec::new() })
    }
}

/// A future that owns all it needs, as the seam wants it.
macro_rules! with {
    ($self:ident, |$parts:ident| $answer:expr) => {{
        let $parts = $self.parts.clone();
        Box::pin(async move { $answer.await })
    }};
}

impl Runtime for CriRuntime {
    fn handler(&self) -> &'static str {
        "containerd"
    }

    fn status(&self) -> BoxFuture<'_, Result<RuntimeStatus>> {
        with!(self, |parts| parts.status())
    }

    fn makes_networks(&self) -> bool {
        true
    }

    fn open_sandbox(&self, config: SandboxConfig) -> BoxFuture<'_, Result<NetworkAttachment>> {
        with!(self, |parts| parts.open_sandbox(config))
    }

    fn close_sandbox(&self, id: &str) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        with!(self, |parts| parts.close_sandbox(&id))
    }

    fn sandboxes(&self) -> BoxFuture<'_, Result<Vec<SandboxStatus>>> {
        with!(self, |parts| parts.sandboxes())
    }

    /// Everything: containerd looks at the manifest itself, and so takes what no runtime before it took.
    fn accepts(&self, _image: &ImagePull) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Ok(true) })
    }

    fn pull(&self, image: &ImagePull) -> BoxFuture<'_, Result<Image>> {
        let image = image.clone();
        with!(self, |parts| parts.images.pull(&image))
    }

    fn image(&self, reference: &str) -> BoxFuture<'_, Result<Option<Image>>> {
        let reference = reference.to_owned();
        with!(self, |parts| parts.images.find(&reference))
    }

    fn create(&self, config: ContainerConfig) -> BoxFuture<'_, Result<()>> {
        with!(self, |parts| parts.create(config))
    }

    fn start(&self, id: &str) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        with!(self, |parts| parts.start(&id))
    }

    fn stop(&self, id: &str, grace: Duration) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        with!(self, |parts| parts.stop(&id, grace))
    }

    fn remove(&self, id: &str) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        with!(self, |parts| parts.remove(&id))
    }

    fn containers(&self) -> BoxFuture<'_, Result<Vec<ContainerStatus>>> {
        with!(self, |parts| parts.containers())
    }

    fn container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<ContainerStatus>>> {
        with!(self, |parts| parts.container(id))
    }

    fn events(&self) -> BoxStream<'static, Event> {
        let hints = stream::unfold(self.parts.hints.subscribe(), |mut hints| async move {
            match hints.recv().await {
                Ok(event) => Some((event, hints)),
                Err(RecvError::Lagged(_)) => Some((Event::Lagged, hints)),
                Err(RecvError::Closed) => None,
            }
        });
        hints.boxed()
    }

    fn stats(&self, id: &str) -> BoxFuture<'_, Result<ContainerStats>> {
        let id = id.to_owned();
        with!(self, |parts| parts.stats(&id))
    }

    fn exec(&self) -> Option<&dyn Exec> {
        Some(&self.parts)
    }

    fn attach<'a>(&'a self, id: &'a str, streams: Streams) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.parts.attach(id, streams))
    }

    /// By containerd even where the pod's address would do: what a pod serves for itself alone is reached so too.
    fn connect<'a>(&'a self, sandbox: &'a str, port: u16) -> BoxFuture<'a, Result<Option<Box<dyn Connection>>>> {
        Box::pin(async move { self.parts.connect(sandbox, port).await.map(Some) })
    }
}

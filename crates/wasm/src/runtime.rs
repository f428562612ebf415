//! [`WasmRuntime`]: the seam, on images and sandbox processes.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use rustix::fs::{FlockOperation, flock};
use sampan_runtime::{
    ContainerConfig, ContainerStats, ContainerStatus, Error, Event, Exec, Image, ImagePull, NetworkAttachment,
    ProbeKind, Result, Runtime, RuntimeStatus, SandboxConfig, SandboxStatus, Streams,
};
use tokio::sync::broadcast::error::RecvError;

use crate::compile::agent::Compiler;
use crate::fleet::Fleet;
use crate::image::{Images, Record};
use crate::protocol::{Answer, Call, Create};
use crate::{Config, engine, host, process, protocol};

/// Runs Wasm containers. One for each data directory.
pub struct WasmRuntime {
    pub(crate) images: Images,
    pub(crate) fleet: Arc<Fleet>,
    /// Held while this lives: a second agent on the same directory would fight over its processes.
    _lock: File,
}

/// A sandbox process, for people and tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStatus {
    /// Its process id.
    pub pid: u32,
    /// What it is for: `namespace.NAME.GENERATION` and the like.
    pub name: String,
    /// Ids of the sandboxes in it.
    pub sandboxes: Vec<String>,
}

impl WasmRuntime {
    /// Opens the data directory and takes back the sandboxes that still run from before. Must be called within a tokio runtime.
    pub async fn new(config: Config) -> Result<Arc<Self>> {
        // One provider for the whole binary; who came first is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |error: std::io::Error| {
            Error::Unavailable(format!("failed to open {}: {error}", config.data_dir.display()))
        };
        let lock = lock(&config).map_err(failed)?;
        let compatibility = compatibility()?;
        let cache = config.data_dir.join("compiled");
        let compiler = Compiler::open(config.compile_command.clone(), &cache, &compatibility, config.limits.clone())
            .map_err(failed)?;
        let images = Images::open(&config, &config.data_dir.join("images"), compiler).map_err(failed)?;
        let generation = format!("{}-{}", protocol::VERSION, &compatibility[..8]);
        let fleet = Fleet::open(config.clone(), config.data_dir.join("sandboxes"), generation).await.map_err(failed)?;
        Ok(Arc::new(WasmRuntime { images, fleet, _lock: lock }))
    }

    /// The sandbox processes that run now.
    pub fn processes(&self) -> Vec<ProcessStatus> {
        self.fleet.processes()
    }

    /// Ends every sandbox process and all that runs in them: for a node that is taken down for good, not for a restart.
    pub async fn shutdown(&self) {
        self.fleet.shutdown().await;
    }

    async fn make(&self, config: ContainerConfig) -> Result<()> {
        check_name(&config.id)?;
        let record =
            self.images.find(&config.image).ok_or_else(|| Error::NotFound(format!("image {}", config.image)))?;
        let compiled = self.images.compiled(&record).await?;
        if let Some(missing) = compiled.artifact.missing().first() {
            return Err(Error::Invalid(format!("component imports {missing}, which node does not offer")));
        }
        let sandbox = config.sandbox.clone();
        let config = with_image_settings(config, &record);
        let create = Create { config, code: compiled.code, artifact: compiled.artifact, digest: record.digest };
        self.fleet.ask_pod(&sandbox, Call::Create(Box::new(create))).await.map(drop)
    }
}

fn lock(config: &Config) -> std::io::Result<File> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir)?;
    let file = File::create(config.data_dir.join("lock"))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| std::io::Error::other("another agent uses this directory; stop it or use another"))?;
    Ok(file)
}

/// What this program's engines can load. The engine made to find out is gone a line later: the agent runs no guest.
fn compatibility() -> Result<String> {
    let engine = engine::on_demand()
        .map_err(|error| Error::Unavailable(format!("wasmtime cannot run on this machine: {error:#}")))?;
    Ok(engine::compatibility(&engine))
}

/// Fills in what the image says, as upstream: a command in the pod replaces entry point and arguments, arguments alone only the latter.
fn with_image_settings(mut config: ContainerConfig, record: &Record) -> ContainerConfig {
    if config.command.is_empty() {
        config.command.clone_from(&record.entrypoint);
        if config.args.is_empty() {
            config.args.clone_from(&record.cmd);
        }
    }
    if config.working_dir.is_empty() {
        config.working_dir.clone_from(&record.working_dir);
    }
    let given = |name: &str| config.env.iter().any(|(known, _)| known == name);
    let image_env = record.env.iter().filter_map(|line| line.split_once('=')).filter(|(name, _)| !given(name));
    let image_env: Vec<_> = image_env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    config.env.splice(0..0, image_env);
    config
}

fn check_name(id: &str) -> Result<()> {
    if process::is_file_name(id) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "id {id:?} must be 1 to 200 letters, digits, dots, dashes and underscores and not begin with a dot"
    )))
}

impl Runtime for WasmRuntime {
    fn handler(&self) -> &'static str {
        "wasm"
    }

    fn status(&self) -> BoxFuture<'_, Result<RuntimeStatus>> {
        let features = host::all().into_iter().flat_map(|package| package.interfaces).map(|name| (*name).to_owned());
        let served = [
            "wasi:cli/run@0.2.12",
            "wasi:cli/run@0.3.0",
            "wasi:http/incoming-handler@0.2.12",
            "wasi:http/handler@0.3.0",
            "sampan:pod/probe@0.1.0",
        ];
        let features = features.chain(served.map(str::to_owned)).collect();
        Box::pin(async { Ok(RuntimeStatus { version: format!("wasmtime://{}", engine::WASMTIME_VERSION), features }) })
    }

    fn open_sandbox(&self, config: SandboxConfig) -> BoxFuture<'_, Result<NetworkAttachment>> {
        Box::pin(async move {
            check_name(&config.id)?;
            check_name(&config.pod_namespace)?;
            let network = config.network.clone();
            let network = network.ok_or_else(|| Error::Invalid("the wasm runtime makes no networks".to_owned()))?;
            self.fleet.open_pod(config).await?;
            Ok(network)
        })
    }

    fn close_sandbox(&self, id: &str) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        Box::pin(async move { self.fleet.close_pod(&id).await })
    }

    fn sandboxes(&self) -> BoxFuture<'_, Result<Vec<SandboxStatus>>> {
        Box::pin(async { Ok(self.fleet.world.lock().sandboxes()) })
    }

    fn accepts(&self, image: &ImagePull) -> BoxFuture<'_, Result<bool>> {
        let image = image.clone();
        Box::pin(async move { self.images.accepts(&image).await })
    }

    fn pull(&self, image: &ImagePull) -> BoxFuture<'_, Result<Image>> {
        let image = image.clone();
        Box::pin(async move { self.images.pull(&image).await.map(Image::from) })
    }

    fn image(&self, reference: &str) -> BoxFuture<'_, Result<Option<Image>>> {
        let record = self.images.find(reference);
        Box::pin(async move { Ok(record.map(Image::from)) })
    }

    fn create(&self, config: ContainerConfig) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.make(config))
    }

    fn start(&self, id: &str) -> BoxFuture<'_, Result<()>> {
        let container = id.to_owned();
        Box::pin(async move { self.fleet.ask_container(&container.clone(), Call::Start { container }).await.map(drop) })
    }

    fn stop(&self, id: &str, grace: Duration) -> BoxFuture<'_, Result<()>> {
        let container = id.to_owned();
        Box::pin(async move {
            self.fleet.ask_container(&container.clone(), Call::Stop { container, grace }).await.map(drop)
        })
    }

    fn remove(&self, id: &str) -> BoxFuture<'_, Result<()>> {
        let container = id.to_owned();
        Box::pin(async move {
            let asked = self.fleet.ask_container(&container, Call::Remove { container: container.clone() }).await;
            match asked {
                // Unknown is removed; and of what is lost there is only what we remember.
                Err(Error::NotFound(_)) => {}
                Err(Error::Unavailable(_)) => self.fleet.world.lock().removed(&container),
                other => return other.map(drop),
            }
            Ok(())
        })
    }

    fn containers(&self) -> BoxFuture<'_, Result<Vec<ContainerStatus>>> {
        Box::pin(async { Ok(self.fleet.world.lock().containers()) })
    }

    fn container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<ContainerStatus>>> {
        Box::pin(async { Ok(self.fleet.world.lock().container(id)) })
    }

    fn events(&self) -> BoxStream<'static, Event> {
        let events = stream::unfold(self.fleet.events(), |mut events| async move {
            match events.recv().await {
                Ok(event) => Some((event, events)),
                Err(RecvError::Lagged(_)) => Some((Event::Lagged, events)),
                Err(RecvError::Closed) => None,
            }
        });
        events.boxed()
    }

    fn probe(&self, id: &str, probe: ProbeKind) -> BoxFuture<'_, Result<Option<bool>>> {
        let container = id.to_owned();
        Box::pin(async move {
            match self.fleet.ask_container(&container.clone(), Call::Probe { container, probe }).await? {
                Answer::Probed(answer) => Ok(answer),
                other => Err(strange(&other)),
            }
        })
    }

    fn stats(&self, id: &str) -> BoxFuture<'_, Result<ContainerStats>> {
        let container = id.to_owned();
        Box::pin(async move {
            match self.fleet.ask_container(&container.clone(), Call::Stats { container }).await? {
                Answer::Stats(stats) => Ok(stats),
                other => Err(strange(&other)),
            }
        })
    }

    fn exec(&self) -> Option<&dyn Exec> {
        Some(self)
    }

    fn attach<'a>(&'a self, id: &'a str, streams: Streams) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.attach_to(id, streams))
    }
}

fn strange(answer: &Answer) -> Error {
    Error::Unavailable(format!("the sandbox process gave a strange answer: {answer:?}"))
}

//! The pods of this process and what is done to them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sampan_runtime::{ContainerStats, ContainerStatus, ProbeKind, SandboxConfig};
use tokio::sync::watch;

use super::code::{Code, Codes};
use super::container::{Container, Parts};
use super::cpu::Cpus;
use super::listeners::Listeners;
use super::state::State;
use super::{command, outcome, probe, service};
use crate::protocol::{Create, Failure, Message};

/// Everything that runs here.
pub(crate) struct Pods {
    codes: Arc<Codes>,
    cpus: Arc<Cpus>,
    state: State,
    pods: Mutex<HashMap<String, Pod>>,
    /// The containers of all of them. Taken after `pods`, never before.
    containers: Mutex<HashMap<String, Arc<Container>>>,
    pub(crate) listeners: Listeners,
    /// How many pods there are: the process ends when there are none for a while.
    count: watch::Sender<usize>,
}

struct Pod {
    config: SandboxConfig,
    containers: BTreeMap<String, Arc<Container>>,
}

type Result<T, E = Failure> = std::result::Result<T, E>;

impl Pods {
    pub(crate) fn new(codes: Arc<Codes>, cpus: Arc<Cpus>, directory: PathBuf) -> Arc<Self> {
        Arc::new(Pods {
            codes,
            cpus,
            state: State::new(directory),
            pods: Mutex::default(),
            containers: Mutex::default(),
            listeners: Listeners::default(),
            count: watch::channel(0).0,
        })
    }

    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// What a returning agent wants to know, and nothing that happens after it is missed by who asked under the lock.
    pub(crate) fn everything(&self) -> (Vec<SandboxConfig>, Vec<ContainerStatus>) {
        let pods = self.pods.lock();
        let configs = pods.values().map(|pod| pod.config.clone()).collect();
        let statuses =
            pods.values().flat_map(|pod| pod.containers.values()).map(|container| container.status()).collect();
        (configs, statuses)
    }

    pub(crate) fn open(&self, config: SandboxConfig) -> Result<()> {
        let mut pods = self.pods.lock();
        let id = config.id.clone();
        pods.entry(id.clone()).or_insert_with(|| Pod { config, containers: BTreeMap::new() });
        self.count.send_replace(pods.len());
        drop(pods);
        self.save(&id);
        Ok(())
    }

    /// Kills what runs in the pod and forgets it.
    pub(crate) async fn close(&self, id: &str) -> Result<()> {
        let containers: Vec<_> = match self.pods.lock().get(id) {
            Some(pod) => pod.containers.values().cloned().collect(),
            None => return Ok(()),
        };
        for container in &containers {
            container.killed.cancel();
        }
        for container in &containers {
            container.wait().await;
            self.forget(container);
        }
        let mut pods = self.pods.lock();
        pods.remove(id);
        self.state.remove(id);
        self.count.send_replace(pods.len());
        Ok(())
    }

    pub(crate) fn create(&self, create: Create) -> Result<()> {
        let mut pods = self.pods.lock();
        let (sandbox, id) = (create.config.sandbox.clone(), create.config.id.clone());
        let pod = pods.get_mut(&sandbox).ok_or_else(|| not_found("sandbox", &sandbox))?;
        if pod.containers.contains_key(&id) {
            return Ok(());
        }
        let resources = &create.config.resources;
        let parts = Parts {
            code: self.codes.get(&create.code),
            share: self.cpus.share(resources.cpu_request_millis, resources.cpu_limit_millis),
            directory: self.state.container_directory(&id),
        };
        let container = Arc::new(Container::new(&pod.config, create, parts)?);
        pod.containers.insert(id.clone(), container.clone());
        self.containers.lock().insert(id, container.clone());
        drop(pods);
        self.changed(&container);
        Ok(())
    }

    /// Returns once the container runs or has failed to.
    pub(crate) async fn start(self: &Arc<Self>, id: &str) -> Result<()> {
        let container = self.find(id)?;
        if !container.begin() {
            return Ok(());
        }
        if !container.create.artifact.entry.serves() {
            self.changed(&container);
            let supervised = container.clone();
            self.run(container, async move { command::supervise(&supervised).await });
            return Ok(());
        }
        match prepare_service(&container) {
            Ok(listener) => {
                self.changed(&container);
                self.run(container.clone(), service::supervise(container, listener));
            }
            Err(message) => self.ended(&container, outcome::not_started(message)).await,
        }
        Ok(())
    }

    /// Runs a container's supervision to its end in a task of its own, which ends by `killed` at the latest.
    fn run(
        self: &Arc<Self>,
        container: Arc<Container>,
        supervise: impl Future<Output = sampan_runtime::Exit> + Send + 'static,
    ) {
        let pods = self.clone();
        tokio::spawn(async move {
            let exit = supervise.await;
            pods.ended(&container, exit).await;
        });
    }

    async fn ended(&self, container: &Container, exit: sampan_runtime::Exit) {
        container.end(exit).await;
        self.changed(container);
        container.announce_end();
    }

    pub(crate) async fn stop(&self, id: &str, grace: Duration) -> Result<()> {
        let container = self.find(id)?;
        container.stopping.cancel();
        if tokio::time::timeout(grace, container.wait()).await.is_err() {
            container.killed.cancel();
            container.wait().await;
        }
        Ok(())
    }

    pub(crate) fn remove(&self, id: &str) -> Result<()> {
        let Ok(container) = self.find(id) else { return Ok(()) };
        if container.running() {
            return Err(Failure::Invalid(format!("container {id} still runs; stop it before removing it")));
        }
        self.forget(&container);
        self.save(&container.create.config.sandbox);
        Ok(())
    }

    pub(crate) async fn probe(&self, id: &str, kind: ProbeKind) -> Result<Option<bool>> {
        let container = self.find(id)?;
        if !container.running() {
            return Err(Failure::Unavailable(format!("container {id} does not run")));
        }
        Ok(probe::ask(&container, kind).await)
    }

    pub(crate) fn stats(&self, id: &str) -> Result<ContainerStats> {
        Ok(self.find(id)?.stats())
    }

    /// A container that runs.
    pub(crate) fn running(&self, id: &str) -> Result<Arc<Container>> {
        let container = self.find(id)?;
        if container.running() {
            return Ok(container);
        }
        Err(Failure::Invalid(format!("container {} does not run", container.create.config.name)))
    }

    /// What `ps` shows of a pod, line by line.
    pub(crate) fn processes(&self, sandbox: &str) -> Vec<String> {
        let head = format!("{:<20} {:<8} {:>10} {:>9} {}", "CONTAINER", "STATE", "CPU", "MEMORY", "COMMAND");
        let pods = self.pods.lock();
        let containers = pods.get(sandbox).into_iter().flat_map(|pod| pod.containers.values());
        std::iter::once(head).chain(containers.map(|container| container.line())).collect()
    }

    /// Compiled code by its place.
    pub(crate) fn code(&self, path: &Path) -> Arc<Code> {
        self.codes.get(path)
    }

    fn find(&self, id: &str) -> Result<Arc<Container>> {
        self.containers.lock().get(id).cloned().ok_or_else(|| not_found("container", id))
    }

    fn forget(&self, container: &Container) {
        let config = &container.create.config;
        if let Some(pod) = self.pods.lock().get_mut(&config.sandbox) {
            pod.containers.remove(&config.id);
        }
        self.containers.lock().remove(&config.id);
        container.remove_files();
        let removed = Message::Removed { sandbox: config.sandbox.clone(), container: config.id.clone() };
        self.listeners.tell(&config.id, || removed);
    }

    /// Tells the state and keeps it on disk, for an agent that finds this process gone.
    fn changed(&self, container: &Container) {
        self.save(&container.create.config.sandbox);
        self.listeners.tell(&container.create.config.id, || Message::Changed(container.status()));
    }

    fn save(&self, sandbox: &str) {
        let pods = self.pods.lock();
        if let Some(pod) = pods.get(sandbox) {
            self.state.save(&pod.config, pod.containers.values().map(|container| container.status()));
        }
    }
}

/// Loads the code and takes the port.
fn prepare_service(container: &Container) -> Result<tokio::net::TcpListener, String> {
    container.code.check().map_err(|error| format!("failed to load the component: {}", outcome::describe(&error)))?;
    service::bind(container)
}

fn not_found(kind: &str, id: &str) -> Failure {
    Failure::NotFound(format!("{kind} {id}"))
}

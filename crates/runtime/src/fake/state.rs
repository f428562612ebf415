//! What the fake knows: plain maps, changed under one lock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Call, FakeImage, PullStep};
use crate::{
    ContainerConfig, ContainerState, ContainerStats, ContainerStatus, Error, Image, NetworkAttachment, ProbeKind,
    Result, SandboxConfig, SandboxStatus,
};

#[derive(Default)]
pub(crate) struct State {
    pub(super) registry: BTreeMap<String, FakeImage>,
    pub(super) pulled: BTreeMap<String, Image>,
    pub(super) sandboxes: BTreeMap<String, Sandbox>,
    pub(super) containers: BTreeMap<String, Container>,
    pub(super) failures: BTreeMap<Call, VecDeque<Error>>,
    pub(super) calls: BTreeMap<Call, u64>,
    pub(super) probes: BTreeMap<(String, bool), bool>,
    addresses_given: u16,
}

pub(super) struct Sandbox {
    pub(super) config: SandboxConfig,
    pub(super) ready: bool,
}

pub(super) struct Container {
    pub(super) config: ContainerConfig,
    /// The reference its image was pulled by.
    pub(super) reference: String,
    pub(super) state: ContainerState,
    /// True from the moment it is asked to stop; watched by its program.
    pub(super) stop: Arc<watch::Sender<bool>>,
    /// True once it has ended; watched by who waits for that.
    pub(super) ended: Arc<watch::Sender<bool>>,
}

impl Container {
    pub(super) fn status(&self) -> ContainerStatus {
        ContainerStatus {
            id: self.config.id.clone(),
            sandbox: self.config.sandbox.clone(),
            name: self.config.name.clone(),
            attempt: self.config.attempt,
            image: self.config.image.clone(),
            state: self.state.clone(),
            log_path: self.config.log.path.clone(),
            known_as: String::new(),
        }
    }
}

impl State {
    pub(super) fn open(&mut self, mut config: SandboxConfig, range: Option<[u8; 2]>) -> Result<NetworkAttachment> {
        let open = self.sandboxes.get(&config.id).and_then(|sandbox| sandbox.config.network.clone());
        if let Some(network) = open {
            return Ok(network);
        }
        let network = config.network.take().or_else(|| range.map(|range| self.new_address(range)));
        let network = network.ok_or_else(|| Error::Invalid("this runtime makes no networks".to_owned()))?;
        config.network = Some(network.clone());
        self.sandboxes.insert(config.id.clone(), Sandbox { config, ready: true });
        Ok(network)
    }

    fn new_address(&mut self, [first, second]: [u8; 2]) -> NetworkAttachment {
        self.addresses_given += 1;
        let [third, fourth] = self.addresses_given.to_be_bytes();
        NetworkAttachment::Namespace { ip: [first, second, third, fourth].into(), path: "/imagined/namespace".into() }
    }

    pub(super) fn sandbox_list(&self) -> Vec<SandboxStatus> {
        let status = |(id, sandbox): (&String, &Sandbox)| SandboxStatus {
            id: id.clone(),
            pod_uid: sandbox.config.pod_uid.clone(),
            ready: sandbox.ready,
        };
        self.sandboxes.iter().map(status).collect()
    }

    pub(super) fn container_list(&self) -> Vec<ContainerStatus> {
        self.containers.values().map(Container::status).collect()
    }

    fn registered(&self, reference: &str) -> Result<&FakeImage> {
        self.registry.get(reference).ok_or_else(|| Error::Pull {
            image: reference.to_owned(),
            message: "not found in the registry; check name and tag".to_owned(),
        })
    }

    pub(super) fn accepts(&self, reference: &str) -> Result<bool> {
        if self.image(reference).is_some() {
            return Ok(true);
        }
        self.registered(reference).map(|image| image.accepted)
    }

    pub(super) fn next_pull(&mut self, reference: &str) -> Result<PullStep> {
        self.registered(reference)?;
        let image = self.registry.get_mut(reference).expect("looked up above");
        Ok(if image.pulls.is_empty() { PullStep::default() } else { image.pulls.remove(0) })
    }

    pub(super) fn take_in(&mut self, reference: &str) -> Result<Image> {
        let image = self.registered(reference)?.image();
        self.pulled.insert(image.digest.clone(), image.clone());
        Ok(image)
    }

    pub(super) fn image(&self, reference: &str) -> Option<Image> {
        let digest = reference.rsplit_once('@').map_or(reference, |(_, digest)| digest);
        let named = |image: &&Image| image.references.iter().any(|name| name == reference);
        self.pulled.get(digest).or_else(|| self.pulled.values().find(named)).cloned()
    }

    pub(super) fn create(&mut self, config: ContainerConfig) -> Result<()> {
        if self.containers.contains_key(&config.id) {
            return Ok(());
        }
        if !self.sandboxes.get(&config.sandbox).is_some_and(|sandbox| sandbox.ready) {
            return Err(Error::NotFound(format!("sandbox {}", config.sandbox)));
        }
        let Some(image) = self.image(&config.image) else {
            return Err(Error::NotFound(format!("image {}", config.image)));
        };
        let reference = image.references.first().cloned().unwrap_or_default();
        let (stop, ended) = (Arc::new(watch::Sender::new(false)), Arc::new(watch::Sender::new(false)));
        let container = Container { config, reference, state: ContainerState::Created, stop, ended };
        self.containers.insert(container.config.id.clone(), container);
        Ok(())
    }

    pub(super) fn container_mut(&mut self, id: &str) -> Result<&mut Container> {
        self.containers.get_mut(id).ok_or_else(|| Error::NotFound(format!("container {id}")))
    }

    /// Answers the sandbox when there was something to remove.
    pub(super) fn remove(&mut self, id: &str) -> Result<Option<String>> {
        match self.containers.get(id) {
            None => Ok(None),
            Some(container) if matches!(container.state, ContainerState::Running { .. }) => {
                Err(Error::Invalid(format!("container {id} is running; stop it before removing it")))
            }
            Some(_) => Ok(self.containers.remove(id).map(|container| container.config.sandbox.clone())),
        }
    }

    pub(super) fn probe(&mut self, id: &str, kind: ProbeKind) -> Result<Option<bool>> {
        let reference = self.container_mut(id)?.reference.clone();
        Ok(self.probes.get(&(reference, kind == ProbeKind::Live)).copied())
    }

    pub(super) fn stats(&mut self, id: &str, now: i128) -> Result<ContainerStats> {
        let (state, reference, limit) = {
            let container = self.container_mut(id)?;
            (container.state.clone(), container.reference.clone(), container.config.resources.cpu_limit_millis)
        };
        let Some(image) = self.registry.get(&reference) else { return Ok(ContainerStats::default()) };
        let (ran, memory_bytes) = match state {
            ContainerState::Created => (0, 0),
            ContainerState::Running { started_at } => (now - started_at, image.program.memory_bytes),
            ContainerState::Exited { started_at, finished_at, .. } => (finished_at - started_at, 0),
        };
        let millis = image.program.cpu_millis.min(limit.unwrap_or(u64::MAX));
        let ran = Duration::from_nanos(u64::try_from(ran).unwrap_or(0));
        Ok(ContainerStats { cpu_usage: ran.mul_f64(millis as f64 / 1000.0), memory_bytes })
    }
}

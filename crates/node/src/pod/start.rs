//! Making and starting one run of a container.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Container, Pod};
use sampan_runtime::{
    ContainerConfig, ContainerPort, Error, Interactive, Isolation, LogConfig, Mount, NetworkAttachment, Resources,
    SandboxConfig, Security,
};

use super::state::{ReadyImage, Run, RunPhase};
use super::{events, facts, hooks, hosts, sandbox, security};
use crate::context::Context;
use crate::environment::{self, Surroundings, fields};
use crate::probe::{self, Offers};
use crate::{images, runtimes, services, volumes};

/// What a start needs to know.
pub(crate) struct Order {
    pub(crate) context: Arc<Context>,
    pub(crate) pod: Arc<Pod>,
    pub(crate) container: String,
    pub(crate) attempt: u32,
    pub(crate) image: ReadyImage,
    pub(crate) network: NetworkAttachment,
    pub(crate) isolation: Isolation,
    pub(crate) sandbox_attempt: u32,
    /// The run whose processes it is to see, when that one runs.
    pub(crate) target: Option<Run>,
}

/// A run that came about.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) run: Run,
    pub(crate) offers: Offers,
}

/// Why none did, in the words of a container status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StartError {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// The image is not on the node any more.
    pub(crate) image_gone: bool,
}

impl StartError {
    fn new(reason: &'static str, message: impl ToString) -> Self {
        Self { reason, message: message.to_string(), image_gone: false }
    }
}

/// Makes and starts the container; events tell each step.
pub(crate) async fn start(order: Order) -> Result<Started, StartError> {
    let result = order.start().await;
    if let Err(error) = &result {
        let Order { context, pod, container, .. } = &order;
        match error.reason {
            "ContainerCreating" => events::failed_sandbox(context, pod, &error.message),
            _ => events::not_started(context, pod, container, &error.message),
        }
    }
    result
}

impl Order {
    async fn start(&self) -> Result<Started, StartError> {
        let Self { context, pod, container, .. } = self;
        let spec = facts::definition(pod, container)
            .ok_or_else(|| StartError::new("CreateContainerConfigError", "no such container"))?;
        let spec = &*spec;
        let config = self.config(spec).await?;
        let runtime = &context.runtimes[self.image.runtime];
        let sandbox = runtime.open_sandbox(self.sandbox()).await;
        sandbox.map_err(|error| StartError::new("ContainerCreating", error))?;
        let id = config.id.clone();
        runtime.create(config).await.map_err(create_error)?;
        events::created(context, pod, container);
        if let Err(error) = runtime.start(&id).await {
            // The next attempt makes it anew, by the configuration of then.
            let _said_below = runtime.remove(&id).await;
            return Err(StartError::new("RunContainerError", error));
        }
        events::started(context, pod, container);
        self.post_start(spec, &id).await?;
        self.started(&id).await
    }

    async fn started(&self, id: &str) -> Result<Started, StartError> {
        let runtime = &self.context.runtimes[self.image.runtime];
        let status = runtime.container(id).await.map_err(|error| StartError::new("RunContainerError", error))?;
        let status = status
            .ok_or_else(|| StartError::new("RunContainerError", "the container vanished right after its start"))?;
        let phase = super::restore::phase(&status.state);
        let running = matches!(phase, RunPhase::Running { .. });
        let offers =
            if running { probe::offers(&self.context, self.image.runtime, id).await } else { Offers::default() };
        let spec = facts::definition(&self.pod, &self.container);
        let reference = spec.as_ref().and_then(|spec| spec.image.as_deref());
        let image_id = images::image_id(reference.unwrap_or_default(), &self.image.image.digest);
        let (id, attempt) = (id.to_owned(), self.attempt);
        let shown = super::restore::shown(&status);
        Ok(Started { run: Run { runtime: self.image.runtime, id, shown, attempt, image_id, phase }, offers })
    }

    /// Waits for the hook; one that fails ends the container, which then counts as a run that crashed.
    async fn post_start(&self, spec: &Container, id: &str) -> Result<(), StartError> {
        let Some(hook) = spec.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref()) else {
            return Ok(());
        };
        let Self { context, pod, container, image, network, .. } = self;
        let place = hooks::Place { context, pod, container, runtime: image.runtime, id, address: Some(network.ip()) };
        let Err(why) = hooks::run(hook, &place).await else { return Ok(()) };
        events::failed_post_start(context, pod, container, &why);
        events::killing(context, pod, container, None);
        let stopped = context.runtimes[image.runtime].stop(id, facts::grace_period(pod)).await;
        stopped.map_err(|error| StartError::new("RunContainerError", error))
    }

    fn sandbox(&self) -> SandboxConfig {
        let Self { context, pod, .. } = self;
        // The runtime that made the network knows it best.
        let made_there = context.runtimes[self.image.runtime].makes_networks()
            && matches!(self.network, NetworkAttachment::Namespace { .. });
        let network = (!made_there).then(|| self.network.clone());
        // In a pod's own network namespace there is no room for others.
        let isolation =
            if matches!(network, Some(NetworkAttachment::Namespace { .. })) { Isolation::Pod } else { self.isolation };
        sandbox::config(context, pod, network, isolation, self.sandbox_attempt)
    }

    async fn config(&self, spec: &Container) -> Result<ContainerConfig, StartError> {
        let wrong = |message: String| StartError::new("CreateContainerConfigError", message);
        let Self { context, pod, container, attempt, .. } = self;
        let objects = context.references.objects(pod).await.map_err(wrong)?;
        let around = surroundings(context, pod, Some(self.network.ip()), &objects);
        let env = environment::environment(spec, &around).map_err(|error| wrong(error.to_string()))?;
        let mut mounts = volumes::mounts(pod, spec, &env, &context.directories).map_err(wrong)?;
        let (log, message) =
            self.files(spec).map_err(|error| wrong(format!("failed to prepare log files: {error}")))?;
        mounts.push(message);
        mounts.extend(self.hosts(&mounts).map_err(|error| wrong(format!("failed to write the hosts file: {error}")))?);
        Ok(ContainerConfig {
            id: runtimes::container_id(facts::uid(pod), container, *attempt),
            sandbox: runtimes::sandbox_id(facts::uid(pod), self.sandbox_attempt),
            name: container.clone(),
            attempt: *attempt,
            image: self.image.image.digest.clone(),
            command: environment::words(spec.command.as_ref(), &env),
            args: environment::words(spec.args.as_ref(), &env),
            env,
            working_dir: spec.working_dir.clone().unwrap_or_default(),
            mounts,
            ports: ports(spec),
            resources: self.resources(spec),
            security: Security { sees: self.sees()?, ..security::security(pod, spec, &context.directories.seccomp()) },
            log,
            interactive: Interactive {
                stdin: spec.stdin.unwrap_or(false),
                stdin_once: spec.stdin_once.unwrap_or(false),
                tty: spec.tty.unwrap_or(false),
            },
        })
    }

    /// The container whose processes an ephemeral one is to see; another runtime's has none to see.
    fn sees(&self) -> Result<Option<String>, StartError> {
        let Self { pod, container, image, target, .. } = self;
        let wanted = facts::ephemeral_containers(pod).find(|ephemeral| ephemeral.name == *container);
        let Some(wanted) = wanted.and_then(|ephemeral| ephemeral.target_container_name.as_deref()) else {
            return Ok(None);
        };
        match target {
            Some(run) if run.runtime == image.runtime => Ok(Some(run.id.clone())),
            Some(_) => Ok(None),
            None => {
                Err(StartError::new("CreateContainerConfigError", format!("unable to find target container {wanted}")))
            }
        }
    }

    fn resources(&self, spec: &Container) -> Resources {
        let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        let memory = fields::units(requests.and_then(|requests| requests.get("memory"))).unwrap_or(0);
        let class = facts::qos_class(&self.pod);
        let oom_score_adj = security::oom_score(class, memory, self.context.capacity.memory_bytes);
        Resources { oom_score_adj, ..resources(spec) }
    }

    /// The pod's names, where it has a network of its own and nothing else is mounted in their place.
    fn hosts(&self, mounts: &[Mount]) -> std::io::Result<Option<Mount>> {
        let target = std::path::Path::new("/etc/hosts");
        let NetworkAttachment::Namespace { ip, .. } = &self.network else { return Ok(None) };
        if mounts.iter().any(|mount| mount.target == target) {
            return Ok(None);
        }
        let source = self.context.directories.hosts(facts::uid(&self.pod));
        source.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&source, hosts::hosts(&self.pod, *ip, &self.context.cluster_domain))?;
        Ok(Some(Mount { source, target: target.into(), read_only: false }))
    }

    /// The log's directory and the file for last words.
    fn files(&self, spec: &Container) -> std::io::Result<(LogConfig, Mount)> {
        let Self { context, pod, container, attempt, .. } = self;
        let (namespace, name, uid) = (facts::namespace(pod), facts::name(pod), facts::uid(pod));
        let path = context.directories.log(namespace, name, uid, container, *attempt);
        let message = context.directories.termination_message(uid, container, *attempt);
        for file in [&path, &message] {
            file.parent().map_or(Ok(()), fs::create_dir_all)?;
        }
        fs::write(&message, "")?;
        // Whatever user the container runs as may leave its last words.
        fs::set_permissions(&message, fs::Permissions::from_mode(0o666))?;
        let target = spec.termination_message_path.as_deref().unwrap_or("/dev/termination-log");
        let log = LogConfig { path, max_bytes: context.logs.max_bytes, max_files: context.logs.max_files };
        Ok((log, Mount { source: message, target: target.into(), read_only: false }))
    }
}

fn create_error(error: Error) -> StartError {
    let image_gone = matches!(&error, Error::NotFound(what) if what.contains("image"));
    StartError { image_gone, ..StartError::new("CreateContainerError", error) }
}

/// What variables and volumes of a pod are made from.
pub(crate) fn surroundings<'a>(
    context: &'a Context,
    pod: &'a Pod,
    address: Option<std::net::IpAddr>,
    objects: &'a environment::Objects,
) -> Surroundings<'a> {
    Surroundings {
        pod,
        address,
        node_name: &context.node_name,
        node_address: context.address,
        capacity: context.capacity,
        objects,
        services: services::variables(pod, &context.services),
    }
}

fn ports(spec: &Container) -> Vec<ContainerPort> {
    let port = |port: &sampan_api::k8s::api::core::v1::ContainerPort| {
        Some(ContainerPort {
            name: port.name.clone().unwrap_or_default(),
            port: u16::try_from(port.container_port).ok()?,
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
        })
    };
    spec.ports.iter().flatten().filter_map(port).collect()
}

fn resources(spec: &Container) -> Resources {
    let limits = spec.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    Resources {
        cpu_limit_millis: fields::millis(limits.and_then(|limits| limits.get("cpu"))),
        cpu_request_millis: fields::millis(requests.and_then(|requests| requests.get("cpu"))),
        memory_limit_bytes: fields::units(limits.and_then(|limits| limits.get("memory"))),
        ..Resources::default()
    }
}

/// Nanoseconds since the epoch as a time; what no clock can show becomes the nearest it can.
pub(crate) fn time(nanoseconds: i128) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(if nanoseconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

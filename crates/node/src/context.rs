//! What all parts of one agent share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::{ObjectReference, Pod, Service};
use sampan_api::k8s::api::node::v1::RuntimeClass;
use sampan_client::{Api, Client, EventType, Informer, Recorder};
use sampan_meta::{Clock, Entropy, NamespacedName};
use sampan_runtime::{DnsConfig, Isolation, PodNetwork, Runtime};
use tokio::sync::watch;

use crate::checkpoint::Checkpoint;
use crate::directories::Directories;
use crate::eviction::Pressure;
use crate::images::Images;
use crate::machine::Machine;
use crate::pod::NodeFacts;
use crate::references::References;
use crate::status_writer::StatusWriter;
use crate::tokens::TokenSource;
use crate::{Capacity, Config, LogLimits, services};

/// How the node itself is, beside its runtimes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    /// What it is short of.
    pub(crate) pressures: BTreeSet<Pressure>,
    pub(crate) shutting_down: bool,
}

pub(crate) struct Context {
    pub(crate) node_name: String,
    pub(crate) address: IpAddr,
    pub(crate) capacity: Capacity,
    pub(crate) logs: LogLimits,
    pub(crate) cluster_dns: Vec<IpAddr>,
    pub(crate) cluster_domain: String,
    pub(crate) host_dns: DnsConfig,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) runtimes: Vec<Arc<dyn Runtime>>,
    pub(crate) network: Arc<dyn PodNetwork>,
    pub(crate) directories: Directories,
    pub(crate) images: Images,
    pub(crate) references: References,
    pub(crate) tokens: TokenSource,
    pub(crate) services: Informer<Service>,
    pub(crate) runtime_classes: Informer<RuntimeClass>,
    pub(crate) recorder: Recorder,
    pub(crate) status: Arc<StatusWriter>,
    pub(crate) checkpoint: Checkpoint,
    /// `None` where the machine has no inotify instance left: logs are read, but not followed.
    pub(crate) inotify: Option<crate::inotify::Directories>,
    pub(crate) node: NodeFacts,
    pub(crate) machine: Machine,
    pub(crate) condition: watch::Sender<Condition>,
    /// Sandboxes and containers found at the start, by the UID of their pod, until a worker takes them.
    pub(crate) adopted: Mutex<BTreeMap<String, crate::runtimes::Adopted>>,
}

impl Context {
    pub(crate) fn new(config: &Config) -> std::io::Result<Self> {
        let directories = Directories::new(&config.data_dir);
        let checkpoint = Checkpoint::new(directories.checkpoint())?;
        let client = config.client.clone();
        let classes = Api::<RuntimeClass>::all(client.clone());
        let inotify = crate::inotify::Directories::new();
        let inotify = inotify
            .inspect_err(|error| tracing::warn!(%error, "no inotify: logs and static pods are not followed"))
            .ok();
        Ok(Self {
            node_name: config.node_name.clone(),
            address: config.address,
            capacity: config.capacity,
            logs: config.logs,
            cluster_dns: config.cluster_dns.clone(),
            cluster_domain: config.cluster_domain.clone(),
            host_dns: config.host_dns.clone(),
            clock: config.clock.clone(),
            entropy: config.entropy.clone(),
            runtimes: config.runtimes.clone(),
            network: config.network.clone(),
            images: Images::new(config),
            references: References::new(client.clone(), config.entropy.clone(), checkpoint.clone()),
            tokens: TokenSource::new(client.clone()),
            services: services::informer(&client, config.entropy.clone()),
            runtime_classes: Informer::builder(classes).start(config.entropy.clone()),
            recorder: Recorder::new(&client, "kubelet", &config.node_name, config.clock.clone(), &config.entropy),
            status: Arc::new(StatusWriter::new(client.clone(), config.entropy.clone())),
            node: NodeFacts {
                address: config.address,
                handlers: config.runtimes.iter().map(|runtime| runtime.handler()).collect(),
            },
            machine: Machine::new(),
            condition: watch::Sender::default(),
            adopted: Mutex::default(),
            checkpoint,
            inotify,
            directories,
            client,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Records an event about a pod, or about one of its containers.
    pub(crate) fn event(
        &self,
        pod: &Pod,
        container: Option<&str>,
        event_type: EventType,
        reason: &str,
        message: impl Into<String>,
    ) {
        let meta = &pod.metadata;
        let reference = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            field_path: container.map(|name| field_path(pod, name)),
        };
        self.recorder.event(&reference, event_type, reason, message);
    }

    /// The runtime and the isolation a pod's RuntimeClass asks for; `(None, _)` leaves the choice to its images.
    ///
    /// A handler is a runtime's own (`wasm`), or that with `-isolated` (a process per pod) or `-shared` (one per node) after it.
    pub(crate) async fn runtime_class(&self, pod: &Pod) -> Result<(Option<usize>, Isolation), String> {
        let name = pod.spec.as_ref().and_then(|spec| spec.runtime_class_name.as_deref());
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok((None, Isolation::Namespace)) };
        let synced = tokio::time::timeout(std::time::Duration::from_secs(5), self.runtime_classes.synced());
        let _cut_off = synced.await;
        let key = NamespacedName { namespace: String::new(), name: name.to_owned() };
        let class = self.runtime_classes.get(&key);
        if class.is_none() && self.runtime_classes.is_synced() {
            return Err(format!("runtimeclass.node.k8s.io \"{name}\" not found"));
        }
        // Cut off from the server, the class is taken to be named after its handler, as ours are.
        let handler = class.as_ref().map_or(name, |class| class.handler.as_str());
        let position = |wanted: &str| self.runtimes.iter().position(|runtime| runtime.handler() == wanted);
        let variants = [("-isolated", Isolation::Pod), ("-shared", Isolation::Node)];
        let variant = variants
            .into_iter()
            .find_map(|(suffix, isolation)| Some((position(handler.strip_suffix(suffix)?)?, isolation)));
        let found = position(handler).map(|position| (position, Isolation::Namespace)).or(variant);
        let (position, isolation) = found.ok_or_else(|| {
            let offered: Vec<&str> = self.runtimes.iter().map(|runtime| runtime.handler()).collect();
            format!(
                "no runtime for handler \"{handler}\" of runtime class \"{name}\" is on node {}; it has: {}",
                self.node_name,
                offered.join(", ")
            )
        })?;
        Ok((Some(position), isolation))
    }
}

fn field_path(pod: &Pod, container: &str) -> String {
    let list = match crate::pod::facts::container(pod, container) {
        Some(_) if crate::pod::facts::is_init(pod, container) => "initContainers",
        Some(_) => "containers",
        None => "ephemeralContainers",
    };
    format!("spec.{list}{{{container}}}")
}

//! A pod as the scheduler sees it: what it asks for, read once when it comes.

mod affinity;
mod counts;
mod ports;
mod spread;

use std::sync::{Arc, OnceLock};

use sampan_api::k8s::api::core::v1::{Pod, PodSpec};
use sampan_api::node_choice::{NodeChoice, NodeTerm};
use sampan_api::taints::Toleration;
use sampan_meta::NamespacedName;

use crate::Resources;
use crate::resources::Requests;
use crate::selector::Labels;

pub(crate) use counts::spread_counts;

pub use affinity::{AffinityTerm, PodAffinity, PodSelector, WeightedTerm};
pub use counts::Counts;
pub use ports::HostPort;
pub use spread::Spread;

/// What a pod asks of a node.
#[derive(Clone, Debug)]
pub struct PodRequest {
    /// Its name.
    pub name: NamespacedName,
    /// Its UID: what is queued, assumed and forgotten.
    pub uid: String,
    /// Higher goes first.
    pub priority: i32,
    /// Sum of its requests.
    pub resources: Resources,
    /// CPU and memory it is taken for when nodes are compared: as `resources`, but never nothing.
    pub weight: (i64, i64),
    /// Ports it wants on the node.
    pub host_ports: Vec<HostPort>,
    /// Which nodes it may run on.
    pub nodes: NodeChoice,
    /// Which taints it tolerates.
    pub tolerations: Vec<Toleration>,
    /// What it says about other pods.
    pub affinity: PodAffinity,
    /// How it shall be spread; empty: by the defaults.
    pub spread: Vec<Spread>,
    /// Claims it mounts, by name, in its own namespace.
    pub claims: Vec<Claim>,
    /// It is being deleted.
    pub terminating: bool,
    /// The pod itself, for plugins that look deeper.
    pub pod: Arc<Pod>,
    counts: OnceLock<Counts>,
}

/// A persistent volume claim that a pod mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// It is made for this pod from the volume's template, and goes with it.
    pub ephemeral: bool,
}

impl PodRequest {
    /// Reads a pod. A pod without a spec asks for nothing.
    pub fn new(pod: Arc<Pod>) -> Self {
        let empty = PodSpec::default();
        let spec = pod.spec.as_ref().unwrap_or(&empty);
        let metadata = &pod.metadata;
        let requests = Requests::of(spec, pod.status.as_ref());
        Self {
            name: NamespacedName {
                namespace: metadata.namespace.clone().unwrap_or_default(),
                name: metadata.name.clone().unwrap_or_default(),
            },
            uid: metadata.uid.clone().unwrap_or_default(),
            priority: spec.priority.unwrap_or(0),
            weight: requests.weight,
            resources: requests.exact,
            host_ports: HostPort::all(spec),
            nodes: NodeChoice::new(spec),
            tolerations: spec.tolerations.iter().flatten().filter_map(Toleration::new).collect(),
            affinity: PodAffinity::new(&pod),
            spread: Spread::all(&pod),
            claims: claims(spec, metadata.name.as_deref().unwrap_or_default()),
            terminating: metadata.deletion_timestamp.is_some(),
            pod,
            counts: OnceLock::new(),
        }
    }

    /// Its spec; absent when it has none.
    pub fn spec(&self) -> Option<&PodSpec> {
        self.pod.spec.as_ref()
    }

    /// Who shall schedule it: the name of a profile.
    pub fn scheduler_name(&self) -> &str {
        self.spec().and_then(|spec| spec.scheduler_name.as_deref()).unwrap_or("default-scheduler")
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        static NONE: Labels = Labels::new();
        self.pod.metadata.labels.as_ref().unwrap_or(&NONE)
    }

    /// What must be counted to decide on it.
    pub fn counts(&self) -> &Counts {
        self.counts.get_or_init(|| Counts::new(self))
    }

    /// The node that was emptied for it, if any.
    pub fn nominated(&self) -> Option<&str> {
        let status = self.pod.status.as_ref()?;
        status.nominated_node_name.as_deref().filter(|node| !node.is_empty())
    }

    /// Preferences among nodes with their weights.
    pub fn preferred_nodes(&self) -> Vec<(i64, NodeTerm)> {
        let affinity = self.spec().and_then(|spec| spec.affinity.as_ref()?.node_affinity.as_ref());
        let preferred =
            affinity.and_then(|affinity| affinity.preferred_during_scheduling_ignored_during_execution.as_ref());
        let weighted = preferred.into_iter().flatten().filter(|term| term.weight != 0);
        weighted.map(|term| (i64::from(term.weight), NodeTerm::new(&term.preference))).collect()
    }

    /// When it started to run; `None` before.
    pub fn started(&self) -> Option<jiff::Timestamp> {
        Some(self.pod.status.as_ref()?.start_time.as_ref()?.0)
    }

    /// Whether anything is different that decides where pods go. What agents report of a running pod mostly is not.
    pub fn differs_from(&self, other: &Self) -> bool {
        self.uid != other.uid
            || self.terminating != other.terminating
            || self.resources != other.resources
            || self.labels() != other.labels()
            || self.pod.spec != other.pod.spec
    }
}

fn claims(spec: &PodSpec, pod: &str) -> Vec<Claim> {
    let claim =
        |volume: &sampan_api::k8s::api::core::v1::Volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(source), _) => Some(Claim { name: source.claim_name.clone(), ephemeral: false }),
            (None, Some(_)) => Some(Claim { name: format!("{pod}-{}", volume.name), ephemeral: true }),
            (None, None) => None,
        };
    spec.volumes.iter().flatten().filter_map(claim).collect()
}

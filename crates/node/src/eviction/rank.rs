//! Who goes first, and what is said of it (pkg/kubelet/eviction/helpers.go).

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Container, Pod};
use sampan_meta::Quantity;

use super::disk::Used;
use super::threshold::Resource;
use crate::pod::facts;
use crate::usage;

/// Pods of this priority and more are never evicted: `SystemCriticalPriority`.
const CRITICAL: i32 = 2_000_000_000;

/// A pod that could go.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) pod: Arc<Pod>,
    /// It stays whatever happens.
    pub(super) critical: bool,
    priority: i32,
    containers: Vec<Use>,
    /// Of the whole pod.
    disk: Option<Used>,
}

/// What a container uses.
#[derive(Clone, Debug)]
struct Use {
    name: String,
    memory: u64,
    /// Its logs.
    disk: u64,
}

/// Whether the pod is of those the cluster cannot do without (`IsCriticalPod`, pkg/kubelet/types/pod_update.go).
pub(crate) fn is_critical(pod: &Pod) -> bool {
    crate::static_pods::is_static(pod)
        || facts::spec(pod).and_then(|spec| spec.priority).is_some_and(|priority| priority >= CRITICAL)
}

impl Candidate {
    pub(super) fn new(found: &usage::Pod, disk: Option<Used>) -> Self {
        let pod = found.view.pod.clone();
        let priority = facts::spec(&pod).and_then(|spec| spec.priority).unwrap_or(0);
        let of = |name: &str| disk.as_ref().and_then(|used| used.logs.get(name)).copied().unwrap_or_default();
        let containers = found.containers.iter().map(|container| Use {
            name: container.name.clone(),
            memory: container.stats.memory_bytes,
            disk: of(&container.name),
        });
        Candidate { critical: is_critical(&pod), priority, containers: containers.collect(), disk, pod }
    }

    /// What it uses of the resource.
    fn used(&self, resource: Resource) -> u64 {
        let disk = self.disk.as_ref();
        match resource {
            Resource::Memory => self.containers.iter().map(|container| container.memory).sum(),
            Resource::EphemeralStorage => disk.map_or(0, |used| used.bytes),
            Resource::Inodes => disk.map_or(0, |used| used.inodes),
            // Nobody counts the threads of a pod; the kubelet's order where it has no figures is by priority as well.
            Resource::Pids => 0,
        }
    }

    /// What it said it needs.
    fn requested(&self, resource: Resource) -> u64 {
        facts::containers(&self.pod).map(|container| request(container, resource)).sum()
    }
}

fn request(container: &Container, resource: Resource) -> u64 {
    let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let quantity = requests.and_then(|requests| requests.get(resource.name()));
    quantity
        .and_then(|quantity| Quantity::parse(&quantity.0).ok())
        .and_then(|quantity| u64::try_from(quantity.value()).ok())
        .unwrap_or(0)
}

/// Puts who goes first to the front: those that use more than they asked for, then the less important, then those that use most beyond
/// what they asked for.
pub(super) fn rank(resource: Resource, candidates: &mut [Candidate]) {
    candidates.sort_by_key(|candidate| {
        let (used, requested) = (i128::from(candidate.used(resource)), i128::from(candidate.requested(resource)));
        let beyond = resource != Resource::Pids && used > requested;
        (Reverse(beyond), candidate.priority, Reverse(used - requested), facts::uid(&candidate.pod).to_owned())
    });
}

/// Why the pod goes, with the containers that use more than they asked for.
pub(super) fn message(resource: Resource, candidate: &Candidate, how_short: &str) -> String {
    let name = resource.name();
    let mut message = format!("The node was low on resource: {name}. {how_short}");
    for container in &candidate.containers {
        let used = match resource {
            Resource::Memory => container.memory,
            Resource::EphemeralStorage => container.disk,
            Resource::Inodes | Resource::Pids => continue,
        };
        let requested = facts::container(&candidate.pod, &container.name).map_or(0, |spec| request(spec, resource));
        if used > requested {
            let (used, requested) = (resource.written(used), written_request(resource, requested));
            message += &format!(
                "Container {} was using {used}, request is {requested}, has larger consumption of {name}. ",
                container.name
            );
        }
    }
    message
}

fn written_request(resource: Resource, requested: u64) -> String {
    if requested == 0 { "0".to_owned() } else { resource.written(requested) }
}

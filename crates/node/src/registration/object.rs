//! The Node object, made of plain facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{
    ContainerImage, DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeStatus, NodeSystemInfo,
};
use sampan_api::k8s::apimachinery::pkg::api::resource::Quantity;
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use sampan_runtime::Runtime;

use super::Facts;
use crate::context::Context;
use crate::pod::whole_seconds;

/// Images shown at most, as the kubelet.
const MOST_IMAGES: usize = 50;

/// Whether the runtimes can run anything.
pub(super) struct Readiness {
    /// Of each that is there: `wasmtime://48.0.8`.
    versions: Vec<String>,
    /// Of each that is not: what it says.
    missing: Vec<String>,
}

pub(super) async fn readiness(runtimes: &[Arc<dyn Runtime>]) -> Readiness {
    let mut ready = Readiness { versions: Vec::new(), missing: Vec::new() };
    for runtime in runtimes {
        match runtime.status().await {
            Ok(status) => ready.versions.push(status.version),
            Err(error) => ready.missing.push(format!("runtime {} is not ready: {error}", runtime.handler())),
        }
    }
    ready
}

pub(super) fn node(context: &Context, facts: &Facts, ready: &Readiness) -> Node {
    let metadata = ObjectMeta {
        name: Some(context.node_name.clone()),
        labels: Some(labels(context, facts)),
        annotations: Some(annotations(context)),
        ..ObjectMeta::default()
    };
    Node { metadata, spec: None, status: Some(status(context, facts, ready, None, context.now())) }
}

fn labels(context: &Context, facts: &Facts) -> BTreeMap<String, String> {
    let mut labels = facts.labels.clone();
    let known = [
        ("kubernetes.io/hostname", &context.node_name),
        ("kubernetes.io/os", &facts.system.operating_system),
        ("kubernetes.io/arch", &facts.system.architecture),
    ];
    labels.extend(
        known.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key.to_owned(), value.clone())),
    );
    labels.extend(
        facts.runtimes.iter().map(|runtime| (format!("node.sampan.dev/{}", runtime.handler()), "true".to_owned())),
    );
    labels
}

/// Where the provisioner of `local-path` may have volumes made.
fn annotations(context: &Context) -> BTreeMap<String, String> {
    let directory = context.directories.local_volumes().display().to_string();
    [(sampan_api::local_path::DIRECTORY_ANNOTATION.to_owned(), directory)].into()
}

pub(super) fn status(
    context: &Context,
    facts: &Facts,
    ready: &Readiness,
    last: Option<&NodeStatus>,
    now: Timestamp,
) -> NodeStatus {
    let resources = resources(facts);
    NodeStatus {
        addresses: Some(vec![
            NodeAddress { type_: "InternalIP".to_owned(), address: context.address.to_string() },
            NodeAddress { type_: "Hostname".to_owned(), address: context.node_name.clone() },
        ]),
        allocatable: Some(resources.clone()),
        capacity: Some(resources),
        conditions: Some(conditions(ready, last, now)),
        daemon_endpoints: facts
            .port
            .map(|port| NodeDaemonEndpoints { kubelet_endpoint: Some(DaemonEndpoint { port: port.into() }) }),
        images: Some(images(context)),
        node_info: Some(system(facts, ready)),
        ..NodeStatus::default()
    }
}

fn resources(facts: &Facts) -> BTreeMap<String, Quantity> {
    let capacity = facts.capacity;
    let cpu = if capacity.cpu_millis.is_multiple_of(1000) {
        (capacity.cpu_millis / 1000).to_string()
    } else {
        format!("{}m", capacity.cpu_millis)
    };
    let amounts = [
        ("cpu", cpu),
        ("memory", format!("{}Ki", capacity.memory_bytes / 1024)),
        ("ephemeral-storage", format!("{}Ki", capacity.ephemeral_storage_bytes / 1024)),
        ("pods", capacity.pods.to_string()),
    ];
    amounts.into_iter().map(|(name, amount)| (name.to_owned(), Quantity(amount))).collect()
}

fn conditions(ready: &Readiness, last: Option<&NodeStatus>, now: Timestamp) -> Vec<NodeCondition> {
    let no_pressure = [
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ];
    let mut conditions: Vec<NodeCondition> = no_pressure
        .into_iter()
        .map(|(kind, reason, message)| condition(kind, false, reason, message, last, now))
        .collect();
    // One runtime is enough to be of use; what the others say stands in the message.
    let is_ready = !ready.versions.is_empty();
    let reason = if is_ready { "KubeletReady" } else { "KubeletNotReady" };
    let message = match (is_ready, ready.missing.is_empty()) {
        (true, true) => "kubelet is posting ready status".to_owned(),
        (true, false) => format!("kubelet is posting ready status; {}", ready.missing.join("; ")),
        (false, true) => "the node has no runtime".to_owned(),
        (false, false) => ready.missing.join("; "),
    };
    conditions.push(condition("Ready", is_ready, reason, &message, last, now));
    conditions
}

fn condition(
    kind: &str,
    holds: bool,
    reason: &str,
    message: &str,
    last: Option<&NodeStatus>,
    now: Timestamp,
) -> NodeCondition {
    let status = if holds { "True" } else { "False" };
    let known = last.and_then(|last| last.conditions.as_ref()).into_iter().flatten();
    let same = known.into_iter().find(|known| known.type_ == kind && known.status == status);
    let now = Time(whole_seconds(now));
    NodeCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(
            same.and_then(|same| same.last_transition_time.clone()).unwrap_or_else(|| now.clone()),
        ),
        last_heartbeat_time: Some(now),
    }
}

fn images(context: &Context) -> Vec<ContainerImage> {
    let shown = context.images.known().into_iter().take(MOST_IMAGES);
    let image = |image: sampan_runtime::Image| {
        let digests = image.references.iter().map(|name| crate::images::image_id(name, &image.digest));
        let names: std::collections::BTreeSet<String> = digests.chain(image.references.iter().cloned()).collect();
        ContainerImage { names: Some(names.into_iter().collect()), size_bytes: i64::try_from(image.size).ok() }
    };
    shown.map(image).collect()
}

fn system(facts: &Facts, ready: &Readiness) -> NodeSystemInfo {
    let system = &facts.system;
    NodeSystemInfo {
        architecture: system.architecture.clone(),
        boot_id: system.boot_id.clone(),
        container_runtime_version: ready.versions.first().cloned().unwrap_or_default(),
        kernel_version: system.kernel_version.clone(),
        kube_proxy_version: String::new(),
        kubelet_version: system.version.clone(),
        machine_id: system.machine_id.clone(),
        operating_system: system.operating_system.clone(),
        os_image: system.os_image.clone(),
        system_uuid: system.system_uuid.clone(),
        ..NodeSystemInfo::default()
    }
}

/// Whether two statuses say the same, heartbeats apart.
pub(super) fn same(one: &NodeStatus, other: &NodeStatus) -> bool {
    let timeless = |status: &NodeStatus| {
        let mut status = status.clone();
        for condition in status.conditions.iter_mut().flatten() {
            condition.last_heartbeat_time = None;
        }
        status
    };
    timeless(one) == timeless(other)
}

/// Whether `server` has a condition of `ours` with another status than ours.
pub(super) fn contradicts(server: &NodeStatus, ours: &NodeStatus) -> bool {
    ours.conditions.iter().flatten().any(|mine| {
        let theirs = server.conditions.iter().flatten().find(|theirs| theirs.type_ == mine.type_);
        theirs.is_none_or(|theirs| theirs.status != mine.status)
    })
}

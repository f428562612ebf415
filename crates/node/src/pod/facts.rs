//! Small questions about a pod's specification.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Container, EphemeralContainer, Pod, PodSpec};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::state::{PodState, later};

/// When a container is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    fn parse(text: &str) -> Self {
        match text {
            "Never" => Self::Never,
            "OnFailure" => Self::OnFailure,
            _ => Self::Always,
        }
    }
}

pub(crate) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

pub(crate) fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

pub(crate) fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

/// `name_namespace(uid)`, as the kubelet writes pods in messages.
pub(crate) fn full_name(pod: &Pod) -> String {
    format!("{}_{}({})", name(pod), namespace(pod), uid(pod))
}

pub(crate) fn restart_policy(pod: &Pod) -> RestartPolicy {
    spec(pod).and_then(|spec| spec.restart_policy.as_deref()).map_or(RestartPolicy::Always, RestartPolicy::parse)
}

/// The container's own policy where it has one (a sidecar's `Always`), else the pod's.
pub(crate) fn container_restart_policy(container: &Container, pod: &Pod) -> RestartPolicy {
    container.restart_policy.as_deref().map_or_else(|| restart_policy(pod), RestartPolicy::parse)
}

pub(crate) fn spec(pod: &Pod) -> Option<&PodSpec> {
    pod.spec.as_ref()
}

pub(crate) fn containers(pod: &Pod) -> impl DoubleEndedIterator<Item = &Container> {
    spec(pod).into_iter().flat_map(|spec| &spec.containers)
}

pub(crate) fn init_containers(pod: &Pod) -> impl DoubleEndedIterator<Item = &Container> {
    spec(pod).into_iter().flat_map(|spec| spec.init_containers.iter().flatten())
}

pub(crate) fn all_containers(pod: &Pod) -> impl DoubleEndedIterator<Item = &Container> {
    init_containers(pod).chain(containers(pod))
}

pub(crate) fn container<'a>(pod: &'a Pod, name: &str) -> Option<&'a Container> {
    all_containers(pod).find(|container| container.name == name)
}

/// Containers that somebody added to the running pod, to look into it.
pub(crate) fn ephemeral_containers(pod: &Pod) -> impl DoubleEndedIterator<Item = &EphemeralContainer> {
    spec(pod).into_iter().flat_map(|spec| spec.ephemeral_containers.iter().flatten())
}

/// Names of all the pod's containers, in the order they may start in.
pub(crate) fn names(pod: &Pod) -> impl Iterator<Item = &str> {
    let ephemeral = ephemeral_containers(pod).map(|container| container.name.as_str());
    all_containers(pod).map(|container| container.name.as_str()).chain(ephemeral)
}

/// What is written of a container, also of an ephemeral one: that has neither ports, probes, hooks nor resources.
pub(crate) fn definition<'a>(pod: &'a Pod, name: &str) -> Option<Cow<'a, Container>> {
    let ephemeral = || ephemeral_containers(pod).find(|container| container.name == name).map(as_container);
    container(pod, name).map(Cow::Borrowed).or_else(|| ephemeral().map(Cow::Owned))
}

fn as_container(container: &EphemeralContainer) -> Container {
    let own = container.clone();
    Container {
        name: own.name,
        image: own.image,
        image_pull_policy: own.image_pull_policy,
        command: own.command,
        args: own.args,
        working_dir: own.working_dir,
        env: own.env,
        env_from: own.env_from,
        volume_mounts: own.volume_mounts,
        volume_devices: own.volume_devices,
        security_context: own.security_context,
        stdin: own.stdin,
        stdin_once: own.stdin_once,
        tty: own.tty,
        termination_message_path: own.termination_message_path,
        termination_message_policy: own.termination_message_policy,
        ..Container::default()
    }
}

/// The pod's names and one of its containers: what is kept as long as that runs.
pub(crate) fn with_only(pod: &Pod, container: &Container) -> Pod {
    let metadata = ObjectMeta {
        name: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid: pod.metadata.uid.clone(),
        ..ObjectMeta::default()
    };
    let spec = PodSpec { containers: vec![container.clone()], ..PodSpec::default() };
    Pod { metadata, spec: Some(spec), status: None }
}

pub(crate) fn is_init(pod: &Pod, name: &str) -> bool {
    init_containers(pod).any(|container| container.name == name)
}

/// An init container that keeps running beside the others.
pub(crate) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// A container proper ran already: init containers have had their turn.
pub(crate) fn is_initialized(pod: &Pod, state: &PodState) -> bool {
    let began = |container: &Container| {
        state.containers.get(&container.name).is_some_and(|known| known.current.is_some() || known.starting)
    };
    containers(pod).any(began)
}

pub(crate) fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// `spec.terminationGracePeriodSeconds`, by default 30 s.
pub(crate) fn grace_period(pod: &Pod) -> Duration {
    seconds(spec(pod).and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(30))
}

pub(crate) fn active_deadline(pod: &Pod, since: Timestamp) -> Option<Timestamp> {
    Some(later(since, seconds(spec(pod)?.active_deadline_seconds?)))
}

/// `Succeeded` or `Failed` in the status the apiserver knows.
pub(crate) fn is_terminal(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

pub(crate) fn host_network(pod: &Pod) -> bool {
    spec(pod).and_then(|spec| spec.host_network).unwrap_or(false)
}

/// The pod names its runtime itself.
pub(crate) fn has_runtime_class(pod: &Pod) -> bool {
    spec(pod).and_then(|spec| spec.runtime_class_name.as_deref()).is_some_and(|name| !name.is_empty())
}

pub(crate) fn annotation<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// The quality of service class, as upstream's `pkg/apis/core/v1/helper/qos` computes it.
pub(crate) fn qos_class(pod: &Pod) -> &'static str {
    let (mut any, mut guaranteed) = (false, true);
    for container in all_containers(pod) {
        let resources = container.resources.as_ref();
        for resource in ["cpu", "memory"] {
            let of = |map: Option<&std::collections::BTreeMap<_, _>>| map.and_then(|map| map.get(resource)).cloned();
            let request = of(resources.and_then(|resources| resources.requests.as_ref())).filter(is_set);
            let limit = of(resources.and_then(|resources| resources.limits.as_ref())).filter(is_set);
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn is_set(quantity: &sampan_api::k8s::apimachinery::pkg::api::resource::Quantity) -> bool {
    !matches!(quantity.0.as_str(), "" | "0")
}

//! Which pods stand behind a Service, and where they listen. Pure; shared by endpoint slices and Endpoints.

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Container, ObjectReference, Pod, Service, ServicePort};
use sampan_api::k8s::apimachinery::pkg::util::intstr::IntOrString;
use sampan_api::pod;
use sampan_client::{Informer, ResourceExt};

use crate::controller::Key;

/// A port of a Service as one pod serves it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) port: i32,
    pub(crate) app_protocol: Option<String>,
}

/// Whether the Service's endpoints are ours to keep: without a selector somebody else writes them.
pub(crate) fn is_selecting(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    let external = spec.is_some_and(|spec| spec.type_.as_deref() == Some("ExternalName"));
    spec.is_some_and(|spec| spec.selector.as_ref().is_some_and(|selector| !selector.is_empty())) && !external
}

pub(crate) fn is_headless(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|spec| spec.cluster_ip.as_deref() == Some("None"))
}

pub(crate) fn publishes_not_ready(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses).unwrap_or(false)
}

pub(crate) fn selects(service: &Service, pod: &Pod) -> bool {
    let labels = pod.metadata.labels.as_ref();
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    is_selecting(service)
        && selector.into_iter().flatten().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

/// The Services whose endpoints a pod's change may touch.
pub(crate) fn services_of(services: &Informer<Service>, change: &sampan_client::Change<Pod>) -> Vec<Key> {
    if let (Some(old), Some(new)) = (&change.old, &change.new)
        && concerns(old) == concerns(new)
    {
        return Vec::new();
    }
    let namespace = change.object().metadata.namespace.clone().unwrap_or_default();
    let mut candidates = services.list_namespace(&namespace);
    candidates.retain(|service| change.states().any(|pod| selects(service, pod)));
    candidates.into_iter().map(|service| Key::new(&namespace, service.name_any())).collect()
}

/// All of a pod that endpoints depend on.
fn concerns(pod: &Pod) -> impl PartialEq + '_ {
    let spec = pod.spec.as_ref();
    let ips = pod.status.as_ref().and_then(|status| status.pod_ips.as_ref());
    let names = spec.map(|spec| (&spec.hostname, &spec.subdomain, &spec.node_name));
    let state = (pod::is_ready(pod), pod::is_terminal(pod), pod::is_terminating(pod));
    (&pod.metadata.uid, &pod.metadata.labels, ips, names, state)
}

/// The pods a Service's endpoints are made of: those with an address that have not ended.
pub(crate) fn of(service: &Service, pods: Vec<Arc<Pod>>) -> Vec<Arc<Pod>> {
    let belongs = |pod: &Arc<Pod>| selects(service, pod) && !pod::is_terminal(pod) && !addresses(pod).is_empty();
    pods.into_iter().filter(belongs).collect()
}

/// The IP families of a Service, the primary one first.
pub(crate) fn families(service: &Service) -> Vec<String> {
    let families = service.spec.as_ref().and_then(|spec| spec.ip_families.clone());
    families.filter(|families| !families.is_empty()).unwrap_or_else(|| vec!["IPv4".to_owned()])
}

/// The pod's address of a family.
pub(crate) fn address(pod: &Pod, family: &str) -> Option<String> {
    let is_v6 = family == "IPv6";
    addresses(pod).into_iter().find(|address| address.contains(':') == is_v6)
}

fn addresses(pod: &Pod) -> Vec<String> {
    let Some(status) = &pod.status else { return Vec::new() };
    let all: Vec<String> =
        status.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).filter(|ip| !ip.is_empty()).collect();
    if all.is_empty() { status.pod_ip.clone().filter(|ip| !ip.is_empty()).into_iter().collect() } else { all }
}

/// The Service's ports as this pod serves them; a named target that it does not have is left out.
pub(crate) fn ports(service: &Service, pod: &Pod) -> Vec<Port> {
    let declared = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    let resolve = |port: &ServicePort| {
        Some(Port {
            name: port.name.clone().unwrap_or_default(),
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
            port: target(port, pod)?,
            app_protocol: port.app_protocol.clone(),
        })
    };
    declared.into_iter().flatten().filter_map(resolve).collect()
}

fn target(port: &ServicePort, pod: &Pod) -> Option<i32> {
    match &port.target_port {
        None | Some(IntOrString::Int(0)) => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => named(name, port.protocol.as_deref().unwrap_or("TCP"), pod),
    }
}

/// Looks at the containers, and at init containers that keep running beside them.
fn named(name: &str, protocol: &str, pod: &Pod) -> Option<i32> {
    let spec = pod.spec.as_ref()?;
    let sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten().filter(sidecar));
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    let matches = |port: &&sampan_api::k8s::api::core::v1::ContainerPort| {
        port.name.as_deref() == Some(name) && port.protocol.as_deref().unwrap_or("TCP") == protocol
    };
    ports.find(matches).map(|port| port.container_port)
}

/// The name the pod has under the Service's own, if it asked for one.
pub(crate) fn hostname(service: &Service, pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let under_service = spec.subdomain.is_some() && spec.subdomain == service.metadata.name;
    spec.hostname.clone().filter(|hostname| under_service && !hostname.is_empty())
}

pub(crate) fn reference(pod: &Pod) -> ObjectReference {
    ObjectReference {
        kind: Some("Pod".to_owned()),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

//! What the Endpoints of a Service say. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_api::pod;

use crate::backends::{self, Port};

/// More addresses than this are not written, as upstream: the object would grow without bound.
const CAPACITY: usize = 1000;
const TRUNCATED: (&str, &str) = ("endpoints.kubernetes.io/over-capacity", "truncated");
const MANAGED_BY: (&str, &str) = ("endpoints.kubernetes.io/managed-by", "endpoint-controller");
const HEADLESS: &str = "service.kubernetes.io/headless";

#[derive(Debug)]
pub(super) enum Plan {
    Nothing,
    Create(Endpoints),
    Update(Endpoints),
    Delete,
}

pub(super) fn plan(service: Option<&Service>, current: Option<&Endpoints>, pods: Vec<Arc<Pod>>) -> Plan {
    let Some(service) = service else {
        // Those of others have no such label and no Service either: they are not ours to delete.
        return if current.is_some_and(is_ours) { Plan::Delete } else { Plan::Nothing };
    };
    if !backends::is_selecting(service) || service.metadata.deletion_timestamp.is_some() {
        return Plan::Nothing;
    }
    let (subsets, truncated) = subsets(service, backends::of(service, pods));
    let wanted = Endpoints { metadata: metadata(service, current, truncated), subsets: Some(subsets) };
    match current {
        None => Plan::Create(wanted),
        Some(current) if same(current, &wanted) => Plan::Nothing,
        Some(_) => Plan::Update(wanted),
    }
}

fn is_ours(endpoints: &Endpoints) -> bool {
    let labels = endpoints.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(MANAGED_BY.0)).map(String::as_str) == Some(MANAGED_BY.1)
}

fn same(current: &Endpoints, wanted: &Endpoints) -> bool {
    let (current_subsets, wanted_subsets) = (current.subsets.as_deref(), wanted.subsets.as_deref());
    current_subsets.unwrap_or_default() == wanted_subsets.unwrap_or_default()
        && current.metadata.labels == wanted.metadata.labels
        && current.metadata.annotations.clone().unwrap_or_default()
            == wanted.metadata.annotations.clone().unwrap_or_default()
}

fn metadata(service: &Service, current: Option<&Endpoints>, truncated: bool) -> ObjectMeta {
    let mut metadata = current.map(|current| current.metadata.clone()).unwrap_or_else(|| ObjectMeta {
        name: service.metadata.name.clone(),
        namespace: service.metadata.namespace.clone(),
        ..ObjectMeta::default()
    });
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
    if backends::is_headless(service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    metadata.labels = Some(labels);
    let mut annotations = metadata.annotations.unwrap_or_default();
    annotations.remove(TRUNCATED.0);
    if truncated {
        annotations.insert(TRUNCATED.0.to_owned(), TRUNCATED.1.to_owned());
    }
    metadata.annotations = Some(annotations).filter(|annotations| !annotations.is_empty());
    metadata
}

/// Ready and not ready addresses.
#[derive(Default)]
struct Addresses {
    ready: Vec<EndpointAddress>,
    not_ready: Vec<EndpointAddress>,
}

/// One subset per set of ports, ordered; and whether addresses were left out. Pods that are ending are left out, as upstream.
fn subsets(service: &Service, pods: Vec<Arc<Pod>>) -> (Vec<EndpointSubset>, bool) {
    let family = backends::families(service).swap_remove(0);
    let tolerates = backends::publishes_not_ready(service);
    let mut pods: Vec<_> = pods.into_iter().filter(|pod| tolerates || !pod::is_terminating(pod)).collect();
    pods.sort_by_key(|pod| !(tolerates || pod::is_ready(pod)));
    let truncated = pods.len() > CAPACITY;
    pods.truncate(CAPACITY);
    let mut by_ports: BTreeMap<Vec<Port>, Addresses> = BTreeMap::new();
    for pod in pods {
        let Some(ip) = backends::address(&pod, &family) else { continue };
        let ports = backends::ports(service, &pod);
        if ports.is_empty() && !backends::is_headless(service) {
            continue;
        }
        let addresses = by_ports.entry(ports).or_default();
        let list = if tolerates || pod::is_ready(&pod) { &mut addresses.ready } else { &mut addresses.not_ready };
        list.push(address(service, &pod, ip));
    }
    (by_ports.into_iter().map(|(ports, addresses)| subset(ports, addresses)).collect(), truncated)
}

fn address(service: &Service, pod: &Pod, ip: String) -> EndpointAddress {
    EndpointAddress {
        ip,
        hostname: backends::hostname(service, pod),
        node_name: pod::node_name(pod).map(str::to_owned),
        target_ref: Some(backends::reference(pod)),
    }
}

fn subset(ports: Vec<Port>, Addresses { mut ready, mut not_ready }: Addresses) -> EndpointSubset {
    ready.sort_by(|a, b| a.ip.cmp(&b.ip));
    not_ready.sort_by(|a, b| a.ip.cmp(&b.ip));
    let port = |port: Port| EndpointPort {
        name: Some(port.name).filter(|name| !name.is_empty()),
        port: port.port,
        protocol: Some(port.protocol),
        app_protocol: port.app_protocol,
    };
    let present = |addresses: Vec<EndpointAddress>| Some(addresses).filter(|addresses| !addresses.is_empty());
    let ports: Vec<EndpointPort> = ports.into_iter().map(port).collect();
    EndpointSubset {
        addresses: present(ready),
        not_ready_addresses: present(not_ready),
        ports: Some(ports).filter(|ports| !ports.is_empty()),
    }
}

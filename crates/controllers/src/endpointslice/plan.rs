//! Which slices a Service needs. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Pod, Service};
use sampan_api::k8s::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_api::pod;

use crate::backends::{self, Port};
use crate::ownership::controller_reference;

/// Endpoints in one slice at most.
const CAPACITY: usize = 100;
pub(super) const SERVICE: &str = "kubernetes.io/service-name";
pub(super) const MANAGED_BY: (&str, &str) =
    ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io");
const HEADLESS: &str = "service.kubernetes.io/headless";

/// What is known of a Service.
pub(super) struct Observed<'a> {
    pub(super) service: &'a Service,
    /// The pods behind it, as [`backends::of`] gives them.
    pub(super) pods: &'a [Arc<Pod>],
    /// The slices of it that are ours.
    pub(super) slices: &'a [Arc<EndpointSlice>],
    pub(super) zone_of: &'a dyn Fn(&str) -> Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) create: Vec<EndpointSlice>,
    pub(super) update: Vec<EndpointSlice>,
    pub(super) delete: Vec<Arc<EndpointSlice>>,
}

/// What the endpoints of one slice have in common: the address family and the ports.
type Group = (String, Vec<Port>);

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut wanted = wanted(observed);
    let mut existing: BTreeMap<Group, Vec<&Arc<EndpointSlice>>> = BTreeMap::new();
    for slice in observed.slices {
        existing.entry(group_of(slice)).or_default().push(slice);
    }
    let families = backends::families(observed.service);
    for (group, slices) in &existing {
        if !wanted.contains_key(group) && families.contains(&group.0) {
            wanted.insert(group.clone(), BTreeMap::new());
        } else if !families.contains(&group.0) {
            plan.delete.extend(slices.iter().map(|slice| (*slice).clone()));
        }
    }
    for family in &families {
        let of_family: Vec<_> = wanted.iter().filter(|((of, _), _)| of == family).collect();
        let has_endpoints = of_family.iter().any(|(_, endpoints)| !endpoints.is_empty());
        for (group, endpoints) in of_family {
            let slices = existing.get(group).map(Vec::as_slice).unwrap_or_default();
            fill(observed, group, endpoints, slices, &mut plan);
        }
        if !has_endpoints {
            keep_placeholder(observed, family, &mut plan);
        }
    }
    plan
}

/// All endpoints by group and pod.
fn wanted(observed: &Observed<'_>) -> BTreeMap<Group, BTreeMap<String, Endpoint>> {
    let mut groups: BTreeMap<Group, BTreeMap<String, Endpoint>> = BTreeMap::new();
    for family in backends::families(observed.service) {
        for pod in observed.pods {
            let Some(address) = backends::address(pod, &family) else { continue };
            let mut ports = backends::ports(observed.service, pod);
            ports.sort();
            let endpoint = endpoint(observed, pod, address);
            groups.entry((family.clone(), ports)).or_default().insert(identity(&endpoint), endpoint);
        }
    }
    groups
}

fn endpoint(observed: &Observed<'_>, pod: &Pod, address: String) -> Endpoint {
    let (serving, terminating) = (pod::is_ready(pod), pod::is_terminating(pod));
    let ready = backends::publishes_not_ready(observed.service) || (serving && !terminating);
    let node = pod::node_name(pod);
    Endpoint {
        addresses: vec![address],
        conditions: Some(EndpointConditions {
            ready: Some(ready),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: backends::hostname(observed.service, pod),
        node_name: node.map(str::to_owned),
        target_ref: Some(backends::reference(pod)),
        zone: node.and_then(|node| (observed.zone_of)(node)),
        ..Endpoint::default()
    }
}

/// One pod's address is one endpoint, whatever else about it changes.
fn identity(endpoint: &Endpoint) -> String {
    let uid = endpoint.target_ref.as_ref().and_then(|target| target.uid.as_deref());
    format!("{} {}", endpoint.addresses.first().map_or("", String::as_str), uid.unwrap_or(""))
}

fn group_of(slice: &EndpointSlice) -> Group {
    let port = |port: &EndpointPort| Port {
        name: port.name.clone().unwrap_or_default(),
        protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
        port: port.port.unwrap_or(0),
        app_protocol: port.app_protocol.clone(),
    };
    let mut ports: Vec<Port> = slice.ports.iter().flatten().map(port).collect();
    ports.sort();
    (slice.address_type.clone(), ports)
}

/// Endpoints stay in the slice they are in; new ones go where there is room, first into slices that change anyway.
fn fill(
    observed: &Observed<'_>,
    group: &Group,
    wanted: &BTreeMap<String, Endpoint>,
    slices: &[&Arc<EndpointSlice>],
    plan: &mut Plan,
) {
    let mut missing = wanted.clone();
    let mut kept: Vec<(&Arc<EndpointSlice>, Vec<Endpoint>)> = Vec::new();
    for slice in slices {
        let known = slice.endpoints.iter().flatten();
        let endpoints = known.filter_map(|endpoint| missing.remove(&identity(endpoint))).collect();
        kept.push((slice, endpoints));
    }
    // Fullest first among those that change, so that few slices are written and few are left half empty.
    kept.sort_by_key(|(slice, endpoints)| (!differs(observed, slice, endpoints), std::cmp::Reverse(endpoints.len())));
    let mut missing = missing.into_values().peekable();
    for (_, endpoints) in &mut kept {
        while endpoints.len() < CAPACITY && missing.peek().is_some() {
            endpoints.extend(missing.next());
        }
    }
    for (slice, endpoints) in kept {
        if endpoints.is_empty() {
            plan.delete.push(slice.clone());
        } else if differs(observed, slice, &endpoints) {
            plan.update.push(rewritten(observed, slice, endpoints));
        }
    }
    while missing.peek().is_some() {
        plan.create.push(new_slice(observed, group, missing.by_ref().take(CAPACITY).collect()));
    }
}

/// A Service without endpoints has one empty slice per family: it says that somebody looked.
fn keep_placeholder(observed: &Observed<'_>, family: &str, plan: &mut Plan) {
    let placeholder = plan.delete.iter().position(|slice| slice.address_type == family);
    match placeholder.map(|index| plan.delete.remove(index)) {
        Some(slice)
            if differs(observed, &slice, &[]) || slice.ports.as_ref().is_some_and(|ports| !ports.is_empty()) =>
        {
            let mut emptied = rewritten(observed, &slice, Vec::new());
            emptied.ports = None;
            plan.update.push(emptied);
        }
        Some(_) => {}
        None => plan.create.push(new_slice(observed, &(family.to_owned(), Vec::new()), Vec::new())),
    }
}

fn differs(observed: &Observed<'_>, slice: &EndpointSlice, endpoints: &[Endpoint]) -> bool {
    let same = slice.endpoints.as_deref().unwrap_or_default() == endpoints;
    !same || slice.metadata.labels.as_ref() != Some(&labels(observed.service))
}

fn rewritten(observed: &Observed<'_>, slice: &EndpointSlice, endpoints: Vec<Endpoint>) -> EndpointSlice {
    let mut slice = slice.clone();
    slice.metadata.labels = Some(labels(observed.service));
    slice.endpoints = Some(endpoints);
    slice
}

fn new_slice(observed: &Observed<'_>, (family, ports): &Group, endpoints: Vec<Endpoint>) -> EndpointSlice {
    let service = observed.service;
    let metadata = ObjectMeta {
        generate_name: Some(format!("{}-", service.metadata.name.as_deref().unwrap_or_default())),
        namespace: service.metadata.namespace.clone(),
        labels: Some(labels(service)),
        owner_references: Some(vec![controller_reference(service)]),
        ..ObjectMeta::default()
    };
    let ports = ports.iter().map(|port| EndpointPort {
        name: Some(port.name.clone()),
        protocol: Some(port.protocol.clone()),
        port: Some(port.port),
        app_protocol: port.app_protocol.clone(),
    });
    EndpointSlice { metadata, address_type: family.clone(), endpoints: Some(endpoints), ports: Some(ports.collect()) }
}

/// The Service's labels, and our own.
fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.retain(|name, _| !matches!(name.as_str(), SERVICE | HEADLESS) && name != MANAGED_BY.0);
    labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
    labels.insert(SERVICE.to_owned(), service.metadata.name.clone().unwrap_or_default());
    if backends::is_headless(service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels
}

#[cfg(test)]
mod tests;

//! Which addresses one Service is served on, and who answers there. Pure.
//!
//! Follows upstream's `pkg/proxy/topology.go` and `pkg/proxy/endpointslicecache.go` in which endpoints count: ready ones; when there is
//! none, those that still serve while they end; under a `Local` traffic policy only those of this node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::{Service, ServicePort, ServiceSpec};
use sampan_api::k8s::api::discovery::v1::{Endpoint, EndpointSlice};

/// The node the proxy runs on.
#[derive(Clone, Debug)]
pub struct LocalNode {
    /// Its name, for `Local` traffic policies.
    pub name: String,
    /// Where node ports are served.
    pub address: IpAddr,
}

/// A transport the proxy can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// An address that is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frontend {
    /// Cluster IP and port, or the node's address and node port.
    pub address: SocketAddr,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// Who answers behind a frontend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Endpoint addresses, sorted; never empty.
    pub endpoints: Vec<SocketAddr>,
    /// How long a client sticks to one endpoint (`sessionAffinity: ClientIP`).
    pub affinity: Option<Duration>,
}

/// Everything `service` is served on by this node. A port without endpoints is left out, so that connecting to it is refused as behind
/// kube-proxy instead of accepted and dropped.
pub fn plan(service: &Service, slices: &[Arc<EndpointSlice>], node: &LocalNode) -> BTreeMap<Frontend, Route> {
    let mut routes = BTreeMap::new();
    let Some(spec) = &service.spec else { return routes };
    if spec.type_.as_deref() == Some("ExternalName") {
        return routes;
    }
    for port in spec.ports.iter().flatten() {
        let Some(protocol) = protocol(port) else { continue };
        for (address, policy) in frontends(spec, port, node).into_iter().chain(as_load_balancer(service, port, node)) {
            let endpoints = endpoints(port, slices, (policy == "Local").then_some(node.name.as_str()));
            if !endpoints.is_empty() {
                let route = Route { endpoints: endpoints.into_iter().collect(), affinity: affinity(spec) };
                routes.insert(Frontend { address, protocol }, route);
            }
        }
    }
    routes
}

fn protocol(port: &ServicePort) -> Option<Protocol> {
    match port.protocol.as_deref() {
        None | Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        _ => None,
    }
}

/// The addresses of one port, each with the traffic policy that holds for those who come that way.
fn frontends<'a>(spec: &'a ServiceSpec, port: &ServicePort, node: &LocalNode) -> Vec<(SocketAddr, &'a str)> {
    let internal = spec.internal_traffic_policy.as_deref().unwrap_or("Cluster");
    let external = spec.external_traffic_policy.as_deref().unwrap_or("Cluster");
    let mut frontends: Vec<_> = cluster_ips(spec)
        .filter_map(|ip| Some((SocketAddr::new(ip, u16::try_from(port.port).ok()?), internal)))
        .collect();
    let node_port = port.node_port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    frontends.extend(node_port.map(|node_port| (SocketAddr::new(node.address, node_port), external)));
    frontends
}

/// The Service's own port on the node's address, where that is a load balancer's.
fn as_load_balancer<'a>(service: &'a Service, port: &ServicePort, node: &LocalNode) -> Option<(SocketAddr, &'a str)> {
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let mut addresses = balancer.into_iter().flat_map(|balancer| balancer.ingress.iter().flatten());
    let here = addresses.any(|ingress| ingress.ip.as_ref().is_some_and(|ip| ip.parse() == Ok(node.address)));
    let external = service.spec.as_ref().and_then(|spec| spec.external_traffic_policy.as_deref()).unwrap_or("Cluster");
    let number = u16::try_from(port.port).ok().filter(|_| here)?;
    Some((SocketAddr::new(node.address, number), external))
}

fn cluster_ips(spec: &ServiceSpec) -> impl Iterator<Item = IpAddr> + '_ {
    // A headless Service has the word `None` here, which is no address.
    spec.cluster_ip.iter().filter_map(|ip| ip.parse().ok())
}

fn affinity(spec: &ServiceSpec) -> Option<Duration> {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let configured =
        spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref()?.timeout_seconds);
    Some(Duration::from_secs(configured.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(10_800)))
}

fn endpoints(port: &ServicePort, slices: &[Arc<EndpointSlice>], only_on: Option<&str>) -> BTreeSet<SocketAddr> {
    let ready = collect(port, slices, only_on, is_ready);
    if ready.is_empty() { collect(port, slices, only_on, serves_while_ending) } else { ready }
}

fn collect(
    port: &ServicePort,
    slices: &[Arc<EndpointSlice>],
    only_on: Option<&str>,
    wanted: fn(&Endpoint) -> bool,
) -> BTreeSet<SocketAddr> {
    let mut found = BTreeSet::new();
    for slice in slices {
        for number in slice_ports(slice, port) {
            let here = |endpoint: &&Endpoint| only_on.is_none_or(|node| endpoint.node_name.as_deref() == Some(node));
            for endpoint in slice.endpoints.iter().flatten().filter(here).filter(|endpoint| wanted(endpoint)) {
                let addresses = endpoint.addresses.iter().filter_map(|address| address.parse().ok());
                found.extend(addresses.map(|ip| SocketAddr::new(ip, number)));
            }
        }
    }
    found
}

/// Ports of a slice that belong to a Service's port: same name, same protocol.
fn slice_ports<'a>(slice: &'a EndpointSlice, port: &'a ServicePort) -> impl Iterator<Item = u16> + 'a {
    let name = port.name.as_deref().unwrap_or_default();
    let same = move |candidate: &&sampan_api::k8s::api::discovery::v1::EndpointPort| {
        candidate.name.as_deref().unwrap_or_default() == name
            && candidate.protocol.as_deref().unwrap_or("TCP") == port.protocol.as_deref().unwrap_or("TCP")
    };
    slice.ports.iter().flatten().filter(same).filter_map(|port| u16::try_from(port.port?).ok())
}

fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
}

fn serves_while_ending(endpoint: &Endpoint) -> bool {
    endpoint
        .conditions
        .as_ref()
        .is_some_and(|conditions| conditions.serving.unwrap_or(false) && conditions.terminating.unwrap_or(false))
}

#[cfg(test)]
mod tests;

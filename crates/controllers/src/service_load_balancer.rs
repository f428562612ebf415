//! Services of type LoadBalancer on machines without a cloud: the nodes' own addresses are the load balancer's, as servicelb of k3s has
//! it. The service proxy of each node serves the Service's ports there.
//!
//! A port can be one Service's only: of two that want it, the older one has it. A Service with a `loadBalancerClass` is another's.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{LoadBalancerIngress, Node, Service};
use sampan_api::k8s::api::discovery::v1::EndpointSlice;
use sampan_client::{Api, Informer, Patch, PatchParams, ResourceExt, error};
use serde_json::json;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;
use crate::time::or_min;

pub(crate) const ENTRY: Entry = Entry {
    name: "service-lb-controller",
    identity: "service-controller",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["services"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["services/status"], verbs: &["patch", "update"] },
        Rule { group: "", resources: &["nodes"], verbs: &["list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(LoadBalancers::new(context.clone())),
};

const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Services of ours, under the one key [`OURS`].
const OURS: &str = "load-balancer";

struct LoadBalancers {
    cx: Context,
    services: Informer<Service>,
    nodes: Informer<Node>,
    slices: Informer<EndpointSlice>,
}

/// Whether a Service asks for a load balancer, and for no particular one.
fn is_ours(service: &Service) -> bool {
    service.metadata.deletion_timestamp.is_none()
        && service
            .spec
            .as_ref()
            .is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer") && spec.load_balancer_class.is_none())
}

fn ports(service: &Service) -> BTreeSet<(String, i32)> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    ports.map(|port| (port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()), port.port)).collect()
}

/// An older Service of ours that has a port this one wants.
fn rival<'a>(service: &Service, all: &'a [Arc<Service>]) -> Option<&'a Arc<Service>> {
    let age = |service: &Service| {
        (
            or_min(service.metadata.creation_timestamp.as_ref()),
            service.metadata.namespace.clone(),
            service.metadata.name.clone(),
        )
    };
    let wanted = ports(service);
    all.iter().find(|other| is_ours(other) && age(other) < age(service) && !ports(other).is_disjoint(&wanted))
}

/// The addresses of the nodes that answer for a Service. `hosts`: where its endpoints are, when only those may.
fn addresses(nodes: &[Arc<Node>], hosts: Option<&BTreeSet<String>>) -> Vec<String> {
    let answers = |node: &&Arc<Node>| {
        let excluded = node.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(EXCLUDED));
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        let near = hosts.is_none_or(|hosts| node.metadata.name.as_ref().is_some_and(|name| hosts.contains(name)));
        ready && near && !excluded && node.metadata.deletion_timestamp.is_none()
    };
    let mut found: Vec<String> = nodes.iter().filter(answers).filter_map(|node| address(node)).collect();
    found.sort();
    found.dedup();
    found
}

/// Where a node is found from outside, or at least from beside it.
fn address(node: &Node) -> Option<String> {
    let addresses = node.status.as_ref()?.addresses.as_deref()?;
    let of = |type_: &str| addresses.iter().find(|address| address.type_ == type_).map(|found| found.address.clone());
    of("ExternalIP").or_else(|| of("InternalIP"))
}

impl LoadBalancers {
    fn new(cx: Context) -> Self {
        let services: Informer<Service> = cx.informer();
        services.add_index(OURS, |service| is_ours(service).then(|| OURS.to_owned()).into_iter().collect());
        Self { services, nodes: cx.informer(), slices: cx.informer(), cx }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(service) = self.services.get(key).filter(|service| is_ours(service)) else { return Ok(Next::Settled) };
        let rival = rival(&service, &self.services.by_index(OURS, OURS)).cloned();
        let wanted = match &rival {
            Some(rival) => {
                let (namespace, name) = (rival.metadata.namespace.clone().unwrap_or_default(), rival.name_any());
                let message =
                    format!("a port of this Service is that of load balancer {namespace}/{name}; choose another one");
                self.cx.recorder.warning(&*service, "SyncLoadBalancerFailed", message);
                Vec::new()
            }
            None => addresses(&self.nodes.list(), self.hosts(&service).as_ref()),
        };
        self.write(key, &service, &wanted).await
    }

    /// The nodes with an endpoint that is ready, for a Service that does not want to be passed on.
    fn hosts(&self, service: &Service) -> Option<BTreeSet<String>> {
        let spec = service.spec.as_ref()?;
        (spec.external_traffic_policy.as_deref() == Some("Local")).then(|| {
            let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
            let slices = self.slices.list_namespace(namespace).into_iter();
            let own = slices.filter(|slice| service_of(slice) == service.metadata.name);
            let endpoints = own.flat_map(|slice| slice.endpoints.clone().unwrap_or_default());
            let ready =
                endpoints.filter(|one| one.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true));
            ready.filter_map(|endpoint| endpoint.node_name).collect()
        })
    }

    async fn write(&self, key: &Key, service: &Service, wanted: &[String]) -> Result<Next, Failure> {
        let ingress = service.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.clone());
        let known: Vec<String> =
            ingress.into_iter().flatten().filter_map(|ingress: LoadBalancerIngress| ingress.ip).collect();
        if known == wanted {
            return Ok(Next::Settled);
        }
        let ingress: Vec<_> = wanted.iter().map(|ip| json!({ "ip": ip, "ipMode": "VIP" })).collect();
        let metadata = json!({ "resourceVersion": service.metadata.resource_version });
        let patch = Patch::Merge(json!({ "metadata": metadata, "status": { "loadBalancer": { "ingress": ingress } } }));
        let api: Api<Service> = self.cx.api(&key.namespace);
        match api.patch_status(&key.name, &PatchParams::default(), &patch).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => {
                self.cx.recorder.normal(service, "EnsuredLoadBalancer", "Ensured load balancer");
                Ok(Next::Settled)
            }
        }
    }
}

fn service_of(slice: &EndpointSlice) -> Option<String> {
    slice.metadata.labels.as_ref()?.get(SERVICE_NAME).cloned()
}

/// All of a node that addresses depend on.
fn concerns(node: &Node) -> (bool, Option<String>, bool) {
    let one = [Arc::new(node.clone())];
    (addresses(&one, None).is_empty(), address(node), node.metadata.deletion_timestamp.is_some())
}

impl Controller for LoadBalancers {
    fn watches(&self) -> Vec<Watch> {
        let all = |services: &Informer<Service>| -> Vec<Key> {
            let ours = services.by_index(OURS, OURS);
            let key = |service: &Arc<Service>| {
                Key::new(service.metadata.namespace.clone().unwrap_or_default(), service.name_any())
            };
            ours.iter().map(key).collect()
        };
        let services = self.services.clone();
        // One that goes leaves its ports to another.
        let by_service = Watch::new(&self.services, move |change| {
            let is_over = change.old.as_ref().is_some_and(|old| is_ours(old))
                && change
                    .new
                    .as_ref()
                    .is_none_or(|new| !is_ours(new) || change.old.as_ref().is_some_and(|old| ports(old) != ports(new)));
            let own = change.new.iter().filter(|new| is_ours(new));
            let own = own.map(|new| Key::new(new.metadata.namespace.clone().unwrap_or_default(), new.name_any()));
            if is_over { all(&services) } else { own.collect() }
        });
        let services = self.services.clone();
        let by_node = Watch::new(&self.nodes, move |change| {
            let same = change.old.as_ref().map(|node| concerns(node)) == change.new.as_ref().map(|node| concerns(node));
            if same { Vec::new() } else { all(&services) }
        });
        let services = self.services.clone();
        let by_slice = Watch::new(&self.slices, move |change| {
            let namespace = change.object().metadata.namespace.clone().unwrap_or_default();
            let key = service_of(change.object()).map(|name| Key::new(namespace, name));
            key.filter(|key| services.get(key).is_some_and(|service| is_ours(&service))).into_iter().collect()
        });
        vec![by_service, by_node, by_slice]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing::{ago, object};

    fn service(name: &str, age: i64, more: Value) -> Arc<Service> {
        let mut spec = json!({ "type": "LoadBalancer", "ports": [{ "port": 80 }] });
        for (name, value) in more.as_object().into_iter().flatten() {
            spec[name.as_str()] = value.clone();
        }
        Arc::new(object(
            json!({ "metadata": { "name": name, "namespace": "default", "creationTimestamp": ago(age) }, "spec": spec }),
        ))
    }

    fn node(name: &str, ready: &str, address: &str, labels: Value) -> Arc<Node> {
        Arc::new(object(json!({ "metadata": { "name": name, "labels": labels }, "status": {
            "conditions": [{ "type": "Ready", "status": ready }],
            "addresses": [{ "type": "Hostname", "address": name }, { "type": "InternalIP", "address": address }],
        } })))
    }

    #[test]
    fn ready_nodes_that_are_not_excluded_are_the_load_balancer() {
        let nodes = [
            node("b", "True", "10.0.0.2", json!({})),
            node("a", "True", "10.0.0.1", json!({})),
            node("down", "Unknown", "10.0.0.3", json!({})),
            node("out", "True", "10.0.0.4", json!({ EXCLUDED: "" })),
        ];
        assert_eq!(addresses(&nodes, None), ["10.0.0.1", "10.0.0.2"]);
        let near = BTreeSet::from(["b".to_owned(), "down".to_owned()]);
        assert_eq!(
            addresses(&nodes, Some(&near)),
            ["10.0.0.2"],
            "a Service that wants its clients' addresses is not passed on"
        );
    }

    #[test]
    fn a_port_is_the_oldest_services_that_wants_it() {
        let (old, new) = (service("old", 20, json!({})), service("new", 10, json!({})));
        let udp = service("udp", 5, json!({ "ports": [{ "port": 80, "protocol": "UDP" }] }));
        let foreign = service("foreign", 30, json!({ "loadBalancerClass": "example.com/other" }));
        let all = [old.clone(), new.clone(), udp.clone(), foreign];
        let rival = |service: &Service| rival(service, &all).map(|rival| rival.name_any());
        assert_eq!((rival(&old), rival(&new), rival(&udp)), (None, Some("old".to_owned()), None));
        assert!(!is_ours(&service("ip", 1, json!({ "type": "ClusterIP" }))));
    }
}

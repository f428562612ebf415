//! The slices that say what Endpoints written by hand do. Pure. Upstream: `pkg/controller/endpointslicemirroring/reconciler.go`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Service};
use sampan_api::k8s::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort as SlicePort, EndpointSlice};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::ownership::controller_reference;

pub(super) const MANAGED_BY: (&str, &str) =
    ("endpointslice.kubernetes.io/managed-by", "endpointslicemirroring-controller.k8s.io");
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
const HEADLESS: &str = "service.kubernetes.io/headless";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Upstream's `--mirroring-max-endpoints-per-subset`.
const MOST: usize = 1000;

/// What to write.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) create: Vec<EndpointSlice>,
    pub(super) update: Vec<EndpointSlice>,
    pub(super) delete: Vec<Arc<EndpointSlice>>,
    /// How many addresses have no place, and which are none.
    pub(super) too_many: usize,
    pub(super) invalid: Vec<String>,
}

/// Whether Endpoints are to be mirrored: those somebody wrote for a Service that selects nothing.
fn is_mirrored(endpoints: &Endpoints, service: Option<&Service>) -> bool {
    let meta = &endpoints.metadata;
    let skipped = meta.labels.as_ref().and_then(|labels| labels.get(SKIP)).is_some_and(|skip| skip == "true");
    let lock = meta.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(LEADER));
    let selects = |service: &Service| {
        service.spec.as_ref().and_then(|spec| spec.selector.as_ref()).is_some_and(|selector| !selector.is_empty())
    };
    !skipped && !lock && meta.deletion_timestamp.is_none() && service.is_some_and(|service| !selects(service))
}

pub(super) fn plan(
    endpoints: Option<&Endpoints>,
    service: Option<&Service>,
    existing: Vec<Arc<EndpointSlice>>,
) -> Plan {
    let mut plan = Plan::default();
    let wanted = match endpoints.filter(|endpoints| is_mirrored(endpoints, service)) {
        Some(endpoints) => slices(endpoints, &mut plan),
        None => Vec::new(),
    };
    let mut existing: BTreeMap<String, Vec<Arc<EndpointSlice>>> =
        existing.into_iter().fold(BTreeMap::new(), |mut all, slice| {
            all.entry(place(&slice)).or_insert_with(Vec::new).push(slice);
            all
        });
    for slice in wanted {
        match existing.get_mut(&place(&slice)).and_then(Vec::pop) {
            None => plan.create.push(slice),
            Some(known) if same(&known, &slice) => {}
            Some(known) => {
                let ObjectMeta { labels, annotations, owner_references, .. } = slice.metadata;
                let metadata = ObjectMeta { labels, annotations, owner_references, ..known.metadata.clone() };
                plan.update.push(EndpointSlice { metadata, ..slice });
            }
        }
    }
    plan.delete = existing.into_values().flatten().collect();
    plan
}

/// Slices of the same ports and kind of address stand for each other.
fn place(slice: &EndpointSlice) -> String {
    format!("{} {}", slice.address_type, serde_json::to_string(&slice.ports).expect("objects of the API are JSON"))
}

fn same(one: &EndpointSlice, other: &EndpointSlice) -> bool {
    let annotations = |slice: &EndpointSlice| slice.metadata.annotations.clone().unwrap_or_default();
    one.endpoints == other.endpoints
        && one.metadata.labels == other.metadata.labels
        && one.metadata.owner_references == other.metadata.owner_references
        && annotations(one) == annotations(other)
}

fn slices(endpoints: &Endpoints, plan: &mut Plan) -> Vec<EndpointSlice> {
    let mut found: BTreeMap<String, EndpointSlice> = BTreeMap::new();
    for subset in endpoints.subsets.iter().flatten() {
        let mut room = MOST;
        for (address, ready) in addresses(subset) {
            let Ok(ip) = address.ip.parse::<IpAddr>() else {
                plan.invalid.push(address.ip.clone());
                continue;
            };
            if room == 0 {
                plan.too_many += 1;
                continue;
            }
            room -= 1;
            let empty = empty(endpoints, if ip.is_ipv6() { "IPv6" } else { "IPv4" }, subset);
            let slice = found.entry(place(&empty)).or_insert(empty);
            slice.endpoints.get_or_insert_default().push(endpoint(address, ready));
        }
    }
    found.into_values().collect()
}

fn addresses(subset: &EndpointSubset) -> impl Iterator<Item = (&EndpointAddress, bool)> {
    let ready = subset.addresses.iter().flatten().map(|address| (address, true));
    ready.chain(subset.not_ready_addresses.iter().flatten().map(|address| (address, false)))
}

fn empty(endpoints: &Endpoints, address_type: &str, subset: &EndpointSubset) -> EndpointSlice {
    let name = endpoints.metadata.name.clone().unwrap_or_default();
    let mut labels = endpoints.metadata.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    labels.insert(SERVICE_NAME.to_owned(), name.clone());
    labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
    let mut annotations = endpoints.metadata.annotations.clone().unwrap_or_default();
    annotations.remove(LAST_APPLIED);
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}-")),
            namespace: endpoints.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
            owner_references: Some(vec![controller_reference(endpoints)]),
            ..ObjectMeta::default()
        },
        address_type: address_type.to_owned(),
        endpoints: None,
        ports: Some(subset.ports.iter().flatten().map(port).collect()),
    }
}

fn port(port: &EndpointPort) -> SlicePort {
    SlicePort {
        // An empty name is a name: with it slices are compared as the server keeps them.
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(port.port),
        protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
        app_protocol: port.app_protocol.clone(),
    }
}

fn endpoint(address: &EndpointAddress, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: Some(EndpointConditions { ready: Some(ready), ..EndpointConditions::default() }),
        hostname: address.hostname.clone().filter(|hostname| !hostname.is_empty()),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..Endpoint::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{ago, object};

    fn endpoints(meta: Value, subsets: Value) -> Endpoints {
        let mut value = json!({ "metadata": { "name": "db", "namespace": "default", "uid": "e" }, "subsets": subsets });
        for (name, more) in meta.as_object().into_iter().flatten() {
            value["metadata"][name.as_str()] = more.clone();
        }
        object(value)
    }

    fn service(selector: Value) -> Service {
        object(json!({ "metadata": { "name": "db", "namespace": "default" }, "spec": { "selector": selector } }))
    }

    fn subsets() -> Value {
        json!([{ "addresses": [{ "ip": "10.0.0.1", "hostname": "a" }, { "ip": "fd00::1" }], "notReadyAddresses": [{ "ip": "10.0.0.2" }],
            "ports": [{ "name": "sql", "port": 5432, "protocol": "TCP" }] }])
    }

    /// As the server would keep it.
    fn kept(slice: &EndpointSlice, name: &str) -> Arc<EndpointSlice> {
        let mut slice = slice.clone();
        slice.metadata.name = Some(name.to_owned());
        Arc::new(slice)
    }

    #[test]
    fn endpoints_written_by_hand_become_slices() {
        let meta = json!({ "labels": { "team": "a", "service.kubernetes.io/headless": "" },
            "annotations": { "note": "n", "kubectl.kubernetes.io/last-applied-configuration": "{}" } });
        let (endpoints, service) = (endpoints(meta, subsets()), service(json!(null)));
        let first = plan(Some(&endpoints), Some(&service), Vec::new());
        let [four, six] = first.create.as_slice() else { panic!("one for each kind of address") };
        assert_eq!((four.address_type.as_str(), six.address_type.as_str()), ("IPv4", "IPv6"));
        expect_test::expect![[r#"{"annotations":{"note":"n"},"generateName":"db-","labels":{"endpointslice.kubernetes.io/managed-by":"endpointslicemirroring-controller.k8s.io","kubernetes.io/service-name":"db","team":"a"},"namespace":"default","ownerReferences":[{"apiVersion":"v1","blockOwnerDeletion":true,"controller":true,"kind":"Endpoints","name":"db","uid":"e"}]}"#]]
            .assert_eq(&serde_json::to_value(&four.metadata).unwrap().to_string());
        expect_test::expect![[r#"[{"addresses":["10.0.0.1"],"conditions":{"ready":true},"hostname":"a"},{"addresses":["10.0.0.2"],"conditions":{"ready":false}}]"#]]
            .assert_eq(&serde_json::to_value(&four.endpoints).unwrap().to_string());
        let existing = vec![kept(four, "db-1"), kept(six, "db-2")];
        assert_eq!(plan(Some(&endpoints), Some(&service), existing), Plan::default(), "settled");
    }

    #[test]
    fn slices_follow_and_go() {
        let service = service(json!(null));
        let before = endpoints(json!({}), subsets());
        let made = plan(Some(&before), Some(&service), Vec::new()).create;
        let existing = || vec![kept(&made[0], "db-1"), kept(&made[1], "db-2")];
        let fewer = json!([{ "addresses": [{ "ip": "10.0.0.9" }], "ports": [{ "name": "sql", "port": 5432, "protocol": "TCP" }] }]);
        let after = plan(Some(&endpoints(json!({}), fewer)), Some(&service), existing());
        assert_eq!((after.create.len(), after.update.len(), after.delete.len()), (0, 1, 1));
        assert_eq!(after.update[0].metadata.name.as_deref(), Some("db-1"));
        for gone in [plan(None, Some(&service), existing()), plan(Some(&before), None, existing())] {
            assert_eq!(gone.delete.len(), 2);
        }
    }

    #[test]
    fn what_others_see_to_is_not_mirrored() {
        let none = |meta: Value, selector: Value| {
            let (endpoints, service) = (endpoints(meta, subsets()), service(selector));
            assert_eq!(plan(Some(&endpoints), Some(&service), Vec::new()), Plan::default());
        };
        none(json!({}), json!({ "app": "db" }));
        none(json!({ "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" } }), json!(null));
        none(json!({ "annotations": { "control-plane.alpha.kubernetes.io/leader": "{}" } }), json!(null));
        none(json!({ "deletionTimestamp": ago(1) }), json!(null));
    }

    #[test]
    fn what_has_no_place_or_is_no_address_is_counted() {
        let mut many: Vec<Value> =
            (0..1003).map(|n| json!({ "ip": format!("10.0.{}.{}", n / 250, n % 250 + 1) })).collect();
        many.push(json!({ "ip": "nowhere" }));
        let endpoints = endpoints(json!({}), json!([{ "addresses": many, "ports": [{ "port": 1 }] }]));
        let plan = plan(Some(&endpoints), Some(&service(json!(null))), Vec::new());
        assert_eq!(plan.create[0].endpoints.as_ref().map(Vec::len), Some(1000));
        assert_eq!((plan.too_many, plan.invalid), (3, vec!["nowhere".to_owned()]));
    }
}

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ago, object};

fn service(more: &Value) -> Service {
    let mut spec = json!({ "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": "http" }], "ipFamilies": ["IPv4"] });
    for (name, value) in more.as_object().into_iter().flatten() {
        spec[name.as_str()] = value.clone();
    }
    object(
        json!({ "metadata": { "name": "web", "namespace": "default", "uid": "s", "labels": { "team": "shop" } }, "spec": spec }),
    )
}

fn pod(number: usize, ready: bool, deleted: bool, port: i32) -> Arc<Pod> {
    let ip = format!("127.64.{}.{}", number / 250, number % 250 + 1);
    Arc::new(object(json!({
        "metadata": {
            "name": format!("web-{number}"), "namespace": "default", "uid": format!("uid-{number}"), "labels": { "app": "web" },
            "deletionTimestamp": deleted.then(|| ago(1)),
        },
        "spec": { "nodeName": "edge-1", "containers": [{ "name": "main", "ports": [{ "name": "http", "containerPort": port }] }] },
        "status": {
            "phase": "Running", "podIPs": [{ "ip": ip }],
            "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }],
        },
    })))
}

fn run(service: &Service, pods: &[Arc<Pod>], slices: &[Arc<EndpointSlice>]) -> Plan {
    let zone_of = |_: &str| Some("harbour".to_owned());
    plan(&Observed { service, pods, slices, zone_of: &zone_of })
}

/// The slices after the plan was carried out.
fn apply(slices: &[Arc<EndpointSlice>], plan: Plan) -> Vec<Arc<EndpointSlice>> {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let gone = |slice: &Arc<EndpointSlice>| plan.delete.iter().any(|gone| gone.metadata.name == slice.metadata.name);
    let changed = |slice: &Arc<EndpointSlice>| plan.update.iter().find(|new| new.metadata.name == slice.metadata.name);
    let mut after: Vec<_> = slices
        .iter()
        .filter(|slice| !gone(slice))
        .map(|slice| changed(slice).map_or_else(|| slice.clone(), |new| Arc::new(new.clone())))
        .collect();
    after.extend(plan.create.into_iter().map(|mut slice| {
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        slice.metadata.name = Some(format!("web-{number}"));
        Arc::new(slice)
    }));
    after
}

fn writes(plan: &Plan) -> usize {
    plan.create.len() + plan.update.len() + plan.delete.len()
}

fn check(service: &Service, pods: &[Arc<Pod>], expected: Expect) {
    let slices = apply(&[], run(service, pods, &[]));
    let mut lines = Vec::new();
    for slice in &slices {
        let ports = slice.ports.iter().flatten().filter_map(|port| port.port).map(|port| port.to_string());
        lines.push(format!("{} ports [{}]", slice.address_type, ports.collect::<Vec<_>>().join(" ")));
        for endpoint in slice.endpoints.iter().flatten() {
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            let flags =
                [("ready", conditions.ready), ("serving", conditions.serving), ("terminating", conditions.terminating)];
            let set: Vec<_> = flags.iter().filter(|(_, value)| *value == Some(true)).map(|(name, _)| *name).collect();
            lines.push(format!("  {} {}", endpoint.addresses[0], set.join("+")));
        }
    }
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn endpoints_say_whether_they_are_ready_serving_or_terminating() {
    let pods =
        [pod(0, true, false, 8080), pod(1, false, false, 8080), pod(2, true, true, 8080), pod(3, false, true, 8080)];
    check(
        &service(&json!({})),
        &pods,
        expect![[r#"
        IPv4 ports [8080]
          127.64.0.1 ready+serving
          127.64.0.2 
          127.64.0.3 serving+terminating
          127.64.0.4 terminating"#]],
    );
    check(
        &service(&json!({ "publishNotReadyAddresses": true })),
        &pods[1..2],
        expect![[r#"
        IPv4 ports [8080]
          127.64.0.2 ready"#]],
    );
}

#[test]
fn pods_whose_named_port_differs_are_in_different_slices() {
    check(
        &service(&json!({})),
        &[pod(0, true, false, 8080), pod(1, true, false, 9090)],
        expect![[r#"
        IPv4 ports [8080]
          127.64.0.1 ready+serving
        IPv4 ports [9090]
          127.64.0.2 ready+serving"#]],
    );
}

#[test]
fn a_service_without_pods_has_an_empty_slice_and_keeps_one_when_the_last_pod_goes() {
    let service = service(&json!({}));
    check(&service, &[], expect!["IPv4 ports []"]);
    let slices = apply(&[], run(&service, &[pod(0, true, false, 8080)], &[]));
    let slices = apply(&slices, run(&service, &[], &slices));
    assert_eq!(slices.len(), 1);
    assert_eq!(writes(&run(&service, &[], &slices)), 0);
    let slices = apply(&slices, run(&service, &[pod(0, true, false, 8080)], &slices));
    assert_eq!(slices.len(), 1, "the empty one is replaced: {slices:?}");
}

#[test]
fn a_headless_service_without_ports_has_addresses_alone_and_is_marked() {
    let headless = service(&json!({ "clusterIP": "None", "ports": null }));
    check(
        &headless,
        &[pod(0, true, false, 8080)],
        expect![[r#"
        IPv4 ports []
          127.64.0.1 ready+serving"#]],
    );
    let slice = run(&headless, &[pod(0, true, false, 8080)], &[]).create.remove(0);
    let labels = slice.metadata.labels.unwrap_or_default();
    assert_eq!(
        labels.keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "endpointslice.kubernetes.io/managed-by",
            "kubernetes.io/service-name",
            "service.kubernetes.io/headless",
            "team",
        ]
    );
}

#[test]
fn one_pod_more_writes_one_slice_and_no_slice_has_more_than_a_hundred() {
    let service = service(&json!({}));
    let pods: Vec<_> = (0..250).map(|number| pod(number, true, false, 8080)).collect();
    let slices = apply(&[], run(&service, &pods[..249], &[]));
    assert_eq!(
        slices.iter().map(|slice| slice.endpoints.as_ref().map_or(0, Vec::len)).collect::<Vec<_>>(),
        [100, 100, 49]
    );
    let more = run(&service, &pods, &slices);
    assert_eq!((more.create.len(), more.update.len(), more.delete.len()), (0, 1, 0));
    let fewer = run(&service, &pods[..248], &slices);
    assert_eq!((fewer.create.len(), fewer.update.len(), fewer.delete.len()), (0, 1, 0));
}

proptest! {
    #[test]
    fn every_pod_is_in_one_slice_and_a_second_run_writes_nothing(
        story in proptest::collection::vec(proptest::collection::btree_map(0_usize..400, (any::<bool>(), any::<bool>(), 0_i32..2), 0..300), 1..5),
    ) {
        let service = service(&json!({}));
        let mut slices = Vec::new();
        for state in story {
            let pods: Vec<_> = state.iter().map(|(number, (ready, deleted, port))| pod(*number, *ready, *deleted, 8080 + port)).collect();
            slices = apply(&slices, run(&service, &pods, &slices));
            prop_assert_eq!(writes(&run(&service, &pods, &slices)), 0);
            prop_assert!(slices.iter().all(|slice| slice.endpoints.as_ref().map_or(0, Vec::len) <= CAPACITY));
            let mut addresses: Vec<_> = slices.iter().flat_map(|slice| slice.endpoints.iter().flatten()).map(|endpoint| endpoint.addresses[0].clone()).collect();
            addresses.sort();
            let count = addresses.len();
            addresses.dedup();
            prop_assert_eq!((addresses.len(), count), (pods.len(), pods.len()));
        }
    }
}

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn check(service: Value, slices: &[Value], expected: Expect) {
    let service: Service = serde_json::from_value(service).unwrap();
    let slices: Vec<_> = slices.iter().map(|slice| Arc::new(serde_json::from_value(slice.clone()).unwrap())).collect();
    let node = LocalNode { name: "n1".into(), address: "127.70.0.1".parse().unwrap() };
    let mut text = String::new();
    for (frontend, route) in plan(&service, &slices, &node) {
        let endpoints: Vec<_> = route.endpoints.iter().map(ToString::to_string).collect();
        text += &format!("{:?} {} -> {}", frontend.protocol, frontend.address, endpoints.join(" "));
        text += &route.affinity.map(|time| format!(" sticky {}s", time.as_secs())).unwrap_or_default();
        text += "\n";
    }
    expected.assert_eq(&text);
}

fn service(spec: Value) -> Value {
    json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
}

fn slice(endpoints: Value) -> Value {
    json!({"metadata": {"name": "web-1"}, "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": endpoints})
}

fn cluster_ip(port: Value) -> Value {
    service(json!({"clusterIP": "127.134.0.9", "ports": [port]}))
}

#[test]
fn a_pod_that_is_not_ready_gets_no_traffic() {
    check(
        cluster_ip(json!({"name": "http", "port": 80})),
        &[slice(json!([
            {"addresses": ["127.70.0.20"], "conditions": {"ready": true}},
            {"addresses": ["127.70.0.21"], "conditions": {"ready": false}},
        ]))],
        expect![[r#"
            Tcp 127.134.0.9:80 -> 127.70.0.20:8080
        "#]],
    );
}

#[test]
fn pods_that_are_ending_serve_on_only_while_nobody_else_is_ready() {
    let ending =
        json!({"addresses": ["127.70.0.21"], "conditions": {"ready": false, "serving": true, "terminating": true}});
    check(
        cluster_ip(json!({"name": "http", "port": 80})),
        &[slice(json!([ending]))],
        expect![[r#"
            Tcp 127.134.0.9:80 -> 127.70.0.21:8080
        "#]],
    );
    check(
        cluster_ip(json!({"name": "http", "port": 80})),
        &[slice(json!([ending, {"addresses": ["127.70.0.22"]}]))],
        expect![[r#"
            Tcp 127.134.0.9:80 -> 127.70.0.22:8080
        "#]],
    );
}

#[test]
fn a_port_without_endpoints_is_not_served_at_all() {
    check(cluster_ip(json!({"name": "http", "port": 80})), &[slice(json!([]))], expect![""]);
    check(
        cluster_ip(json!({"name": "other", "port": 80})),
        &[slice(json!([{"addresses": ["127.70.0.20"]}]))],
        expect![""],
    );
}

#[test]
fn node_ports_are_served_on_the_nodes_address_with_the_external_policy() {
    check(
        service(json!({"clusterIP": "127.134.0.9", "type": "NodePort", "externalTrafficPolicy": "Local",
            "sessionAffinity": "ClientIP", "ports": [{"name": "http", "port": 80, "nodePort": 30080}]})),
        &[slice(json!([
            {"addresses": ["127.70.0.20"], "nodeName": "n1"},
            {"addresses": ["127.71.0.20"], "nodeName": "n2"},
        ]))],
        expect![[r#"
            Tcp 127.70.0.1:30080 -> 127.70.0.20:8080 sticky 10800s
            Tcp 127.134.0.9:80 -> 127.70.0.20:8080 127.71.0.20:8080 sticky 10800s
        "#]],
    );
}

#[test]
fn headless_and_external_name_services_need_no_proxy() {
    let slices = [slice(json!([{"addresses": ["127.70.0.20"]}]))];
    check(service(json!({"clusterIP": "None", "ports": [{"name": "http", "port": 80}]})), &slices, expect![""]);
    check(
        service(json!({"type": "ExternalName", "externalName": "x", "ports": [{"name": "http", "port": 80}]})),
        &slices,
        expect![""],
    );
}

#[test]
fn the_same_endpoint_in_two_slices_counts_once_and_protocols_do_not_mix() {
    let endpoint = json!([{"addresses": ["127.70.0.20"]}]);
    check(
        cluster_ip(json!({"name": "http", "port": 80})),
        &[slice(endpoint.clone()), slice(endpoint.clone())],
        expect![[r#"
            Tcp 127.134.0.9:80 -> 127.70.0.20:8080
        "#]],
    );
    check(cluster_ip(json!({"name": "http", "port": 80, "protocol": "UDP"})), &[slice(endpoint)], expect![""]);
}

#[test]
fn a_load_balancer_is_served_on_its_own_port_where_its_address_is_the_nodes() {
    let balanced = |ip: &str| {
        let mut service = service(json!({"type": "LoadBalancer", "clusterIP": "127.134.0.9",
            "ports": [{"name": "http", "port": 80, "nodePort": 30080}]}));
        service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.9"}, {"ip": ip}]}});
        service
    };
    let slices = [slice(json!([{"addresses": ["127.70.0.20"]}]))];
    check(
        balanced("127.70.0.1"),
        &slices,
        expect![[r#"
            Tcp 127.70.0.1:80 -> 127.70.0.20:8080
            Tcp 127.70.0.1:30080 -> 127.70.0.20:8080
            Tcp 127.134.0.9:80 -> 127.70.0.20:8080
        "#]],
    );
    check(
        balanced("127.71.0.1"),
        &slices,
        expect![[r#"
            Tcp 127.70.0.1:30080 -> 127.70.0.20:8080
            Tcp 127.134.0.9:80 -> 127.70.0.20:8080
        "#]],
    );
}

//! Services that nobody else serves: Endpoints written by hand, and load balancers without a cloud.

use serde_json::{Value, json};

use crate::harness::Cluster;

fn service(name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "namespace": "default", "name": name }, "spec": spec })
}

#[tokio::test(start_paused = true)]
async fn endpoints_written_by_hand_are_mirrored_and_go_with_their_service() {
    let cluster = Cluster::start().await;
    cluster.apply("v1", "Service", service("db", json!({ "ports": [{ "port": 5432 }] }))).await;
    let subsets = json!([{ "addresses": [{ "ip": "10.0.0.1" }], "ports": [{ "port": 5432 }] }]);
    let endpoints = json!({ "apiVersion": "v1", "kind": "Endpoints", "metadata": { "namespace": "default", "name": "db" }, "subsets": subsets });
    cluster.apply("v1", "Endpoints", endpoints).await;
    let slices = || async { cluster.list("discovery.k8s.io/v1", "EndpointSlice", "default").await };
    cluster.eventually("there is a slice", || async { slices().await.len() == 1 }).await;
    assert_eq!(slices().await[0]["endpoints"][0]["addresses"], json!(["10.0.0.1"]));
    cluster.assert_settled().await;
    let moved = json!({ "subsets": [{ "addresses": [{ "ip": "10.0.0.2" }], "ports": [{ "port": 5432 }] }] });
    cluster.patch("v1", "Endpoints", "default", "db", moved).await;
    cluster
        .eventually("the slice follows", || async {
            slices().await[0]["endpoints"][0]["addresses"] == json!(["10.0.0.2"])
        })
        .await;
    cluster.api("v1", "Endpoints", "default").delete("db", &Default::default()).await.expect("it is there");
    cluster.eventually("the slice is gone", || async { slices().await.is_empty() }).await;
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_has_the_nodes_addresses_and_each_port_once() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.eventually("there is a node", || async { !cluster.list("v1", "Node", "").await.is_empty() }).await;
    let status = json!({ "status": { "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }],
        "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }] } });
    let nodes = cluster.api("v1", "Node", "");
    nodes
        .patch_status("edge-1", &Default::default(), &sampan_client::Patch::Merge(status))
        .await
        .expect("there is one");
    let balanced = json!({ "type": "LoadBalancer", "ports": [{ "port": 80 }] });
    cluster.apply("v1", "Service", service("first", balanced.clone())).await;
    let ingress = |name: &'static str| {
        let cluster = &cluster;
        async move {
            cluster.get("v1", "Service", "default", name).await["status"]["loadBalancer"]["ingress"][0]["ip"].clone()
        }
    };
    cluster.eventually("it has an address", || async { ingress("first").await == "10.0.0.1" }).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    cluster.apply("v1", "Service", service("second", balanced)).await;
    cluster
        .eventually("it is told why not", || async {
            let events = cluster.list("v1", "Event", "default").await;
            events.iter().any(|event| {
                event["message"].as_str().is_some_and(|text| text.contains("that of load balancer default/first"))
            })
        })
        .await;
    assert_eq!(ingress("second").await, Value::Null);
    cluster.api("v1", "Service", "default").delete("first", &Default::default()).await.expect("it is there");
    cluster.eventually("the other has the port", || async { ingress("second").await == "10.0.0.1" }).await;
}

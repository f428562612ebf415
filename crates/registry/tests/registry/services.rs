use expect_test::expect;
use sampan_registry::ListOptions;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

use crate::cluster::{Cluster, refusal};

fn service(name: &str, spec: Value) -> Value {
    let mut spec = spec;
    if spec.get("ports").is_none() {
        spec["ports"] = json!([{"port": 80}]);
    }
    json!({"metadata": {"name": name}, "spec": spec})
}

async fn create(cluster: &Cluster, name: &str, spec: Value) -> Result<Value, sampan_meta::Status> {
    cluster.create(&cluster.at("services", "default", ""), service(name, spec)).await
}

#[tokio::test]
async fn a_service_gets_an_address_and_node_ports_of_its_own() {
    let cluster = Cluster::new().await;
    let created = create(&cluster, "web", json!({"type": "NodePort"})).await.unwrap();
    let address: std::net::Ipv4Addr = created["spec"]["clusterIP"].as_str().unwrap().parse().unwrap();
    assert!(address.octets()[..3] == [10, 96, 0] && (2..=14).contains(&address.octets()[3]), "{address}");
    assert_eq!(created["spec"]["clusterIPs"], json!([address.to_string()]));
    assert_eq!(created["spec"]["ipFamilies"], json!(["IPv4"]));
    assert_eq!(created["spec"]["ipFamilyPolicy"], "SingleStack");
    assert_eq!(created["spec"]["internalTrafficPolicy"], "Cluster");
    assert!((30000..=30007).contains(&created["spec"]["ports"][0]["nodePort"].as_i64().unwrap()));
    let mut replaced = created.clone();
    for field in ["clusterIP", "clusterIPs"] {
        replaced["spec"].as_object_mut().unwrap().remove(field);
    }
    replaced["spec"]["ports"][0].as_object_mut().unwrap().remove("nodePort");
    let place = cluster.at("services", "default", "web");
    let replaced = cluster.update(&place, replaced).await.unwrap();
    assert_eq!(replaced["spec"], created["spec"], "what was allocated stays");
    assert_eq!(replaced, created);
}

#[tokio::test]
async fn what_a_service_leaves_is_free_again() {
    let cluster = Cluster::new().await;
    let created = create(
        &cluster,
        "web",
        json!({"type": "NodePort", "clusterIP": "10.96.0.5", "ports": [{"port": 80, "nodePort": 30001}]}),
    );
    created.await.unwrap();
    let taken = create(&cluster, "other", json!({"clusterIP": "10.96.0.5"})).await;
    expect![[r#"422 Invalid: Service "other" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.5"]: failed to allocate IP 10.96.0.5: provided IP is already allocated"#]]
        .assert_eq(&refusal(taken));
    let taken =
        create(&cluster, "other", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001}]})).await;
    expect![[r#"422 Invalid: Service "other" is invalid: spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated"#]]
        .assert_eq(&refusal(taken));
    let place = cluster.at("services", "default", "web");
    let inward = cluster.merge(&place, json!({"spec": {"type": "ClusterIP"}})).await.unwrap();
    assert!(inward["spec"]["ports"][0].get("nodePort").is_none());
    create(&cluster, "other", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001}]})).await.unwrap();
    cluster.delete(&place, &Default::default()).await.unwrap();
    create(&cluster, "third", json!({"clusterIP": "10.96.0.5"})).await.unwrap();
}

#[tokio::test]
async fn a_refused_service_keeps_nothing() {
    let cluster = Cluster::new().await;
    for _ in 0..20 {
        let refused = create(&cluster, "bad", json!({"type": "NodePort", "ports": [{"port": 0}]})).await;
        assert_eq!(refused.unwrap_err().code, 422);
    }
    for at in 0..13 {
        create(&cluster, &format!("s{at}"), json!({})).await.unwrap();
    }
    let full = create(&cluster, "one-too-many", json!({})).await;
    expect!["500 InternalError: Internal error occurred: failed to allocate a serviceIP: range is full"]
        .assert_eq(&refusal(full));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_address_is_given_twice_by_two_processes() {
    let cluster = Cluster::new().await;
    let other = cluster.another().await;
    let creates = (0..20).map(|at| {
        let cluster = if at % 2 == 0 { &cluster } else { &other };
        async move { create(cluster, &format!("s{at}"), json!({})).await }
    });
    let outcomes = futures::future::join_all(creates).await;
    let addresses: Vec<Value> =
        outcomes.into_iter().flatten().map(|service| service["spec"]["clusterIP"].clone()).collect();
    let distinct: BTreeSet<String> = addresses.iter().map(ToString::to_string).collect();
    assert_eq!((addresses.len(), distinct.len()), (13, 13), "all there are, each once");
}

#[tokio::test]
async fn an_address_whose_service_never_came_to_be_is_taken_over_after_a_minute() {
    let cluster = Cluster::new().await;
    create(&cluster, "web", json!({"clusterIP": "10.96.0.5"})).await.unwrap();
    // The process that deletes the service dies before it gives the address back: the store lacks the service alone.
    let key = sampan_store::Key::new("/services", "default", "web");
    let record = cluster.store.get(&key).await.unwrap().unwrap();
    let write = sampan_store::Write::Delete { expect: record.revision };
    cluster.registry.cache().write(key, write, Default::default()).await.unwrap();
    assert_eq!(create(&cluster, "new", json!({"clusterIP": "10.96.0.5"})).await.unwrap_err().code, 422);
    cluster.clock.advance(Duration::from_secs(61));
    create(&cluster, "new", json!({"clusterIP": "10.96.0.5"})).await.unwrap();
    cluster.clock.advance(Duration::from_secs(61));
    assert_eq!(create(&cluster, "third", json!({"clusterIP": "10.96.0.5"})).await.unwrap_err().code, 422);
}

#[tokio::test]
async fn headless_and_external_services_have_no_address() {
    let cluster = Cluster::new().await;
    let headless = create(&cluster, "headless", json!({"clusterIP": "None"})).await.unwrap();
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let external =
        create(&cluster, "external", json!({"type": "ExternalName", "externalName": "example.com"})).await.unwrap();
    assert!(external["spec"].get("clusterIP").is_none() && external["spec"].get("ipFamilies").is_none());
    let place = cluster.at("services", "default", "external");
    let inward = cluster.merge(&place, json!({"spec": {"type": "ClusterIP", "externalName": null}})).await.unwrap();
    assert!(inward["spec"]["clusterIP"].as_str().unwrap().starts_with("10.96.0."));
    let outward = cluster.merge(
        &place,
        json!({"spec": {"type": "ExternalName", "externalName": "example.com", "clusterIP": null, "clusterIPs": null}}),
    );
    assert!(outward.await.unwrap()["spec"].get("clusterIP").is_none());
}

#[tokio::test]
async fn a_rehearsed_service_reserves_nothing() {
    let cluster = Cluster::new().await;
    let place = cluster.at("services", "default", "").rehearsed();
    let shown = cluster.create(&place, service("web", json!({"clusterIP": "10.96.0.5"}))).await.unwrap();
    assert_eq!(shown["spec"]["clusterIP"], "10.96.0.5");
    create(&cluster, "web", json!({"clusterIP": "10.96.0.5"})).await.unwrap();
    let services = cluster.list(&cluster.at("services", "", ""), &ListOptions::default()).await.unwrap();
    assert_eq!(services.objects.len(), 1);
}

#[tokio::test]
async fn the_first_address_is_the_api_servers_and_others_ask_in_vain_outside_the_network() {
    let cluster = Cluster::new().await;
    assert_eq!(cluster.registry.api_service_address().to_string(), "10.96.0.1");
    create(&cluster, "kubernetes", json!({"clusterIP": "10.96.0.1"})).await.unwrap();
    let outside = create(&cluster, "far", json!({"clusterIP": "10.99.0.1"})).await;
    expect![[r#"422 Invalid: Service "far" is invalid: spec.clusterIPs: Invalid value: ["10.99.0.1"]: failed to allocate IP 10.99.0.1: the provided network does not match the current range"#]]
        .assert_eq(&refusal(outside));
    let port = create(&cluster, "far", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]})).await;
    expect![[r#"422 Invalid: Service "far" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-30007"#]]
        .assert_eq(&refusal(port));
    let place = cluster.at("services", "default", "kubernetes");
    let moved = cluster.merge(&place, json!({"spec": {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]}})).await;
    expect![[r#"422 Invalid: Service "kubernetes" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: may not change once set"#]]
        .assert_eq(&refusal(moved));
}

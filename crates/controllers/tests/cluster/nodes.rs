//! What happens when nodes fall silent or go.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Cluster;

async fn ready(cluster: &Cluster, node: &str) -> String {
    let node = cluster.get("v1", "Node", "", node).await;
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default();
    ready["status"].as_str().unwrap_or_default().to_owned()
}

async fn pod(cluster: &Cluster, name: &str) -> Value {
    cluster.get("v1", "Pod", "default", name).await
}

async fn create_pod(cluster: &Cluster, name: &str, tolerations: Value) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default" },
        "spec": { "containers": [{ "name": "main", "image": "web:1" }], "tolerations": tolerations },
    });
    cluster.apply("v1", "Pod", pod).await;
    cluster
        .eventually("the pod runs", || async { self::pod(cluster, name).await["status"]["phase"] == "Running" })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_unknown_after_its_grace_and_loses_its_pods_as_they_tolerate() {
    let cluster = Cluster::start().await;
    let living = tokio::spawn(cluster.heartbeat("edge-2"));
    let kubelet = cluster.kubelet("Succeeded");
    let unreachable = |seconds: Value| json!([{ "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds }]);
    create_pod(&cluster, "patient", unreachable(json!(60))).await;
    create_pod(&cluster, "faithful", unreachable(json!(null))).await;
    assert_eq!(ready(&cluster, "edge-1").await, "True");
    kubelet.stop_heartbeat();
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(ready(&cluster, "edge-1").await, "True", "within the grace period");
    cluster.eventually("it is unknown", || async { ready(&cluster, "edge-1").await == "Unknown" }).await;
    let is_unready = || async {
        let conditions = pod(&cluster, "faithful").await["status"]["conditions"].clone();
        conditions
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "False"))
    };
    cluster.eventually("its pods are not ready", is_unready).await;
    assert!(pod(&cluster, "patient").await.is_object(), "for another minute");
    cluster.eventually("the patient pod is evicted", || async { pod(&cluster, "patient").await.is_null() }).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(pod(&cluster, "faithful").await.is_object());
    assert_eq!(ready(&cluster, "edge-2").await, "True");
    living.abort();
}

#[tokio::test(start_paused = true)]
async fn the_pods_of_a_node_that_is_gone_are_removed() {
    let cluster = Cluster::start().await;
    let kubelet = cluster.kubelet("Succeeded");
    create_pod(&cluster, "web", json!([{ "operator": "Exists" }])).await;
    kubelet.stop();
    cluster.api("v1", "Node", "").delete("edge-1", &Default::default()).await.expect("it is there");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(pod(&cluster, "web").await.is_object(), "the node may come back");
    cluster.eventually("the pod is gone", || async { pod(&cluster, "web").await.is_null() }).await;
}

#[tokio::test(start_paused = true)]
async fn nodes_have_networks_for_their_pods_which_come_back_last() {
    let cluster = Cluster::start().await;
    let node = |name: &str| json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
    let network = |name: &'static str| {
        let cluster = &cluster;
        async move {
            let spec = cluster.get("v1", "Node", "", name).await["spec"].clone();
            (spec["podCIDR"].clone(), spec["podCIDRs"].clone())
        }
    };
    let has = |name, expected: &'static str| async move { network(name).await == (json!(expected), json!([expected])) };
    let mut taken = node("own");
    taken["spec"] = json!({ "podCIDR": "10.244.0.128/25", "podCIDRs": ["10.244.0.128/25"] });
    cluster.apply("v1", "Node", taken).await;
    cluster.apply("v1", "Node", node("a")).await;
    cluster.eventually("the first whole network is a's", || has("a", "10.244.1.0/24")).await;
    cluster.api("v1", "Node", "").delete("a", &Default::default()).await.expect("it is there");
    cluster.apply("v1", "Node", node("b")).await;
    cluster.eventually("the next is b's", || has("b", "10.244.2.0/24")).await;
    assert!(has("own", "10.244.0.128/25").await);
}

//! Tokens of the old kind.

use serde_json::{Value, json};

use crate::harness::Cluster;

const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
const TRACKING: &str = "kube-apiserver-legacy-service-account-token-tracking";

async fn token(cluster: &Cluster) -> Value {
    cluster.get("v1", "Secret", "default", "robot-token").await
}

#[tokio::test(start_paused = true)]
async fn a_token_that_nobody_uses_is_marked_and_goes_where_uses_are_written_down() {
    let cluster = Cluster::start().await;
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "robot", "namespace": "default" },
        "secrets": [{ "name": "robot-token" }] });
    cluster.apply("v1", "ServiceAccount", account).await;
    let annotations = json!({ "kubernetes.io/service-account.name": "robot" });
    let metadata = json!({ "name": "robot-token", "namespace": "default", "annotations": annotations });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/service-account-token" });
    cluster.apply("v1", "Secret", secret).await;
    cluster.assert_settled().await;
    assert!(token(&cluster).await["metadata"]["labels"].is_null(), "nobody knows whether it is used");

    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": TRACKING, "namespace": "kube-system" },
        "data": { "since": "2020-01-01" } });
    cluster.apply("v1", "ConfigMap", map).await;
    cluster
        .eventually("it is marked", || async { token(&cluster).await["metadata"]["labels"][INVALID_SINCE].is_string() })
        .await;
    cluster.assert_settled().await;
    let long_ago = json!({ "metadata": { "labels": { INVALID_SINCE: "2020-01-01" } } });
    cluster.patch("v1", "Secret", "default", "robot-token", long_ago).await;
    cluster.eventually("it is gone", || async { token(&cluster).await.is_null() }).await;
}

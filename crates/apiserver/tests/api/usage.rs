//! `metrics.k8s.io`: a stand-in for a node that counts CPU time, asked through the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use sampan_api::request::User;
use serde_json::{Value, json};

use crate::harness::Cluster;
use crate::logs::{serve, with_pod};

const GROUP: &str = "/apis/metrics.k8s.io/v1beta1";

/// A node whose container used a quarter of a core since it was last asked, by its own clock: ten seconds pass between two questions.
async fn counting(cluster: &Cluster) -> Arc<AtomicU64> {
    let asked = Arc::new(AtomicU64::new(0));
    let questions = asked.clone();
    let port = serve(cluster, move |request| {
        let count = questions.fetch_add(1, Ordering::Relaxed);
        let path = request.uri().path().to_owned();
        async move {
            assert_eq!(path, "/metrics/resource");
            let (seconds, at) = (2.5 * count as f64, 1_767_323_045_000 + 10_000 * count);
            let labels = r#"{container="c",namespace="default",pod="p"}"#;
            let page = format!(
                "container_cpu_usage_seconds_total{labels} {seconds} {at}\n\
                 container_memory_working_set_bytes{labels} 1048576 {at}\n\
                 container_start_time_seconds{labels} 1767000000\n\
                 node_cpu_usage_seconds_total {} {at}\n\
                 node_memory_working_set_bytes 1073741824 {at}\n",
                4.0 * seconds
            );
            let body = Full::<Bytes>::from(page).map_err(|never| match never {});
            Ok::<_, std::io::Error>(Response::new(body))
        }
    });
    with_pod(cluster, port.await).await;
    asked
}

/// Times differ from run to run.
fn timeless(mut value: Value) -> Value {
    value["metadata"]["creationTimestamp"] = "now".into();
    value
}

#[tokio::test]
async fn what_a_pod_and_a_node_use_is_worked_out_from_two_readings() {
    let cluster = Cluster::start().await;
    let asked = counting(&cluster).await;
    let pod = cluster.ask(&format!("GET {GROUP}/namespaces/default/pods/p")).await;
    assert_eq!(pod.code, 200, "{}", pod.text());
    assert_eq!(
        timeless(pod.json()),
        json!({
            "kind": "PodMetrics",
            "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {"name": "p", "namespace": "default", "creationTimestamp": "now"},
            "timestamp": "2026-01-02T03:04:15Z",
            "window": "10s",
            "containers": [{"name": "c", "usage": {"cpu": "250m", "memory": "1Mi"}}],
        })
    );
    let nodes = cluster.ask(&format!("GET {GROUP}/nodes")).await.json();
    assert_eq!(nodes["kind"], "NodeMetricsList");
    assert_eq!(nodes["items"][0]["usage"], json!({"cpu": "1", "memory": "1Gi"}));
    assert_eq!(asked.load(Ordering::Relaxed), 2, "a fresh answer is shared");
    let everywhere = cluster.ask(&format!("GET {GROUP}/pods?labelSelector=app%3Dnone")).await.json();
    assert_eq!(
        everywhere,
        json!({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": []})
    );
    let table = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let table = cluster.ask(&format!("GET {GROUP}/namespaces/default/pods?includeObject=None\n{table}")).await.json();
    assert_eq!(table["rows"], json!([{"cells": ["p", "250m", "1Mi", "10s"], "object": null}]));
}

#[tokio::test]
async fn what_is_not_known_is_not_found_and_a_silent_node_says_why() {
    let cluster = Cluster::start().await;
    with_pod(&cluster, 1).await;
    let missing = cluster.ask(&format!("GET {GROUP}/namespaces/default/pods/other")).await;
    assert_eq!(missing.failure(), "404 NotFound pods.metrics.k8s.io \"default/other\" not found");
    let silent = cluster.ask(&format!("GET {GROUP}/nodes/n1")).await.failure();
    assert!(
        silent.starts_with("503 ServiceUnavailable node n1 did not say what it uses: 127.0.0.1:1 does not"),
        "{silent}"
    );
    assert_eq!(cluster.ask(&format!("GET {GROUP}/nodes")).await.json()["items"], json!([]));
    for (request, code) in [
        (format!("DELETE {GROUP}/nodes/n1"), 405),
        (format!("GET {GROUP}/pods/p"), 404),
        (format!("GET {GROUP}/nodes/n1/status"), 404),
        (format!("GET {GROUP}/nodes?labelSelector=a%3D%3D%3Db"), 400),
        (format!("GET {GROUP}/nodes\nAccept: application/vnd.kubernetes.protobuf"), 406),
    ] {
        assert_eq!(cluster.ask(&request).await.code, code, "{request}");
    }
}

#[tokio::test]
async fn who_may_view_a_namespace_may_see_what_its_pods_use() {
    let cluster = Cluster::start().await;
    with_pod(&cluster, 1).await;
    let viewer = User::new("viewer", ["people"]);
    let path = format!("GET {GROUP}/namespaces/default/pods");
    assert_eq!(cluster.ask_as(&viewer, &path).await.code, 403);
    let binding = json!({
        "metadata": {"name": "view"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:aggregated-metrics-reader"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer"}],
    });
    cluster.create("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding).await;
    assert_eq!(cluster.ask_as(&viewer, &path).await.code, 200);
}

//! StatefulSets, DaemonSets and ReplicationControllers.

use serde_json::{Value, json};

use crate::harness::Cluster;

fn template(app: &str, image: &str) -> Value {
    json!({ "metadata": { "labels": { "app": app } }, "spec": { "containers": [{ "name": "main", "image": image }] } })
}

fn stateful_set(replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db", "namespace": "default" },
        "spec": {
            "replicas": replicas, "serviceName": "db", "selector": { "matchLabels": { "app": "db" } }, "template": template("db", image),
            "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Delete", "whenScaled": "Delete" },
            "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }],
        },
    })
}

async fn names(cluster: &Cluster, kind: &str) -> Vec<String> {
    let objects = cluster.list("v1", kind, "default").await;
    objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn images(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.list("v1", "Pod", "default").await;
    pods.iter().map(|pod| pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn counts(cluster: &Cluster, kind: &str, name: &str, fields: &[&str]) -> Vec<i64> {
    let status = cluster.get("apps/v1", kind, "default", name).await["status"].clone();
    fields.iter().map(|field| status[field].as_i64().unwrap_or(0)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_becomes_numbered_pods_with_claims_and_rolls_and_shrinks() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.apply("apps/v1", "StatefulSet", stateful_set(3, "db:1")).await;
    let fields = ["replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas"];
    let is_out = |replicas: i64| {
        let cluster = &cluster;
        async move { counts(cluster, "StatefulSet", "db", &fields).await == [replicas; 5] }
    };
    cluster.eventually("three replicas are ready", || is_out(3)).await;
    assert_eq!(names(&cluster, "Pod").await, ["db-0", "db-1", "db-2"]);
    assert_eq!(names(&cluster, "PersistentVolumeClaim").await, ["data-db-0", "data-db-1", "data-db-2"]);
    let first = cluster.get("v1", "Pod", "default", "db-1").await;
    assert_eq!(first["metadata"]["labels"]["apps.kubernetes.io/pod-index"], "1");
    let set = cluster.get("apps/v1", "StatefulSet", "default", "db").await;
    assert_eq!(first["metadata"]["labels"]["controller-revision-hash"], set["status"]["currentRevision"]);
    cluster.assert_settled().await;

    cluster
        .patch("apps/v1", "StatefulSet", "default", "db", json!({ "spec": { "template": template("db", "db:2") } }))
        .await;
    cluster
        .eventually("the new image is everywhere", || async {
            images(&cluster).await == ["db:2", "db:2", "db:2"] && is_out(3).await
        })
        .await;
    assert_eq!(cluster.list("apps/v1", "ControllerRevision", "default").await.len(), 2);

    cluster.patch("apps/v1", "StatefulSet", "default", "db", json!({ "spec": { "replicas": 1 } })).await;
    cluster
        .eventually("the others are gone with their claims", || async {
            names(&cluster, "Pod").await == ["db-0"] && names(&cluster, "PersistentVolumeClaim").await == ["data-db-0"]
        })
        .await;
    cluster.assert_settled().await;
    let api = cluster.api("apps/v1", "StatefulSet", "default");
    api.delete("db", &Default::default()).await.expect("it is there");
    cluster
        .eventually("nothing is left", || async {
            names(&cluster, "Pod").await.is_empty() && names(&cluster, "PersistentVolumeClaim").await.is_empty()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_set_has_a_pod_on_each_node_and_rolls_node_by_node() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    let _second = tokio::spawn(cluster.heartbeat("edge-2"));
    let set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "log", "namespace": "default" },
        "spec": { "selector": { "matchLabels": { "app": "log" } }, "template": template("log", "log:1") },
    });
    cluster.apply("apps/v1", "DaemonSet", set).await;
    let fields = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "numberAvailable",
        "updatedNumberScheduled",
    ];
    let is_out = |nodes: i64| {
        let cluster = &cluster;
        async move { counts(cluster, "DaemonSet", "log", &fields).await == [nodes; 5] }
    };
    cluster.eventually("both nodes have it", || is_out(2)).await;
    let _third = tokio::spawn(cluster.heartbeat("edge-3"));
    cluster.eventually("the third node has it", || is_out(3)).await;
    cluster.assert_settled().await;
    cluster
        .patch("apps/v1", "DaemonSet", "default", "log", json!({ "spec": { "template": template("log", "log:2") } }))
        .await;
    cluster
        .eventually("the new image is everywhere", || async {
            images(&cluster).await == ["log:2", "log:2", "log:2"] && is_out(3).await
        })
        .await;
    cluster
        .patch("v1", "Node", "", "edge-2", json!({ "spec": { "taints": [{ "key": "gpu", "effect": "NoExecute" }] } }))
        .await;
    cluster.eventually("the second node is left alone", || is_out(2)).await;
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_replication_controller_keeps_its_pods_as_a_replica_set_does() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    let controller = json!({
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": { "name": "old", "namespace": "default" },
        "spec": { "replicas": 2, "selector": { "app": "old" }, "template": template("old", "old:1") },
    });
    cluster.apply("v1", "ReplicationController", controller).await;
    let ready = || async {
        let old = cluster.get("v1", "ReplicationController", "default", "old").await;
        old["status"]["readyReplicas"].as_i64().unwrap_or(0)
    };
    cluster.eventually("two are ready", || async { ready().await == 2 }).await;
    let pod = &cluster.list("v1", "Pod", "default").await[0];
    assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ReplicationController");
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    cluster.api("v1", "Pod", "default").delete(name, &Default::default()).await.expect("it is there");
    cluster
        .eventually("it is replaced", || async {
            ready().await == 2 && !names(&cluster, "Pod").await.contains(&name.to_owned())
        })
        .await;
    cluster.assert_settled().await;
}

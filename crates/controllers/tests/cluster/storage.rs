//! Claims and volumes that are used are not deleted under their users.

use std::time::Duration;

use sampan_client::DeleteParams;
use serde_json::json;

use crate::harness::Cluster;

#[tokio::test(start_paused = true)]
async fn a_claim_waits_for_the_pod_that_uses_it() {
    let cluster = Cluster::start().await;
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "namespace": "default", "name": "c" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    cluster.apply("v1", "PersistentVolumeClaim", claim).await;
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "default", "name": "p" }, "spec": { "nodeName": "n",
        "containers": [{ "name": "a", "image": "i" }], "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "c" } }] } });
    cluster.apply("v1", "Pod", pod).await;
    let claims = cluster.api("v1", "PersistentVolumeClaim", "default");
    claims.delete("c", &DeleteParams::default()).await.expect("it is there");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let held = cluster.get("v1", "PersistentVolumeClaim", "default", "c").await;
    assert!(held["metadata"]["deletionTimestamp"].is_string(), "{held}");
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    cluster.api("v1", "Pod", "default").delete("p", &at_once).await.expect("it is there");
    cluster
        .eventually("the claim is gone", || async {
            cluster.list("v1", "PersistentVolumeClaim", "default").await.is_empty()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_nobody_has_goes() {
    let cluster = Cluster::start().await;
    let volume = json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "v" },
        "spec": { "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" }, "hostPath": { "path": "/data" } } });
    cluster.apply("v1", "PersistentVolume", volume).await;
    cluster.api("v1", "PersistentVolume", "").delete("v", &DeleteParams::default()).await.expect("it is there");
    cluster
        .eventually("the volume is gone", || async { cluster.list("v1", "PersistentVolume", "").await.is_empty() })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_volume_has_a_claim_for_as_long_as_its_pod_lives() {
    let cluster = Cluster::start().await;
    let template =
        json!({ "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "default", "name": "p" }, "spec": {
        "containers": [{ "name": "a", "image": "i" }], "volumes": [{ "name": "v", "ephemeral": { "volumeClaimTemplate": template } }] } });
    cluster.apply("v1", "Pod", pod).await;
    let claims = || async { cluster.list("v1", "PersistentVolumeClaim", "default").await };
    cluster.eventually("the claim is there", || async { claims().await.len() == 1 }).await;
    let claim = claims().await.remove(0);
    assert_eq!(claim["metadata"]["name"], "p-v");
    assert_eq!(claim["metadata"]["ownerReferences"][0]["kind"], "Pod");
    cluster.assert_settled().await;
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    cluster.api("v1", "Pod", "default").delete("p", &at_once).await.expect("it is there");
    cluster.eventually("the claim is gone", || async { claims().await.is_empty() }).await;
}

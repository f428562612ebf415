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

fn claim(class: Option<&str>) -> serde_json::Value {
    json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "namespace": "default", "name": "c" },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": { "requests": { "storage": "1Gi" } } } })
}

async fn phase(cluster: &Cluster, kind: &str, namespace: &str, name: &str) -> String {
    let object = cluster.get("v1", kind, namespace, name).await;
    object["status"]["phase"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_claim_and_a_volume_find_each_other_and_part() {
    let cluster = Cluster::start().await;
    cluster.apply("v1", "PersistentVolumeClaim", claim(Some("manual"))).await;
    cluster
        .eventually("the claim waits", || async {
            let events = cluster.list("v1", "Event", "default").await;
            events.iter().any(|event| event["reason"] == "ProvisioningFailed")
        })
        .await;
    let volume = json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "v" },
        "spec": { "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "2Gi" }, "storageClassName": "manual", "hostPath": { "path": "/data" } } });
    cluster.apply("v1", "PersistentVolume", volume).await;
    cluster
        .eventually("both are bound", || async {
            phase(&cluster, "PersistentVolumeClaim", "default", "c").await == "Bound"
                && phase(&cluster, "PersistentVolume", "", "v").await == "Bound"
        })
        .await;
    let bound = cluster.get("v1", "PersistentVolumeClaim", "default", "c").await;
    assert_eq!((&bound["spec"]["volumeName"], &bound["status"]["capacity"]["storage"]), (&json!("v"), &json!("2Gi")));
    let marks = ["pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"];
    assert!(marks.iter().all(|mark| bound["metadata"]["annotations"][*mark] == "yes"), "{bound}");
    cluster.assert_settled().await;
    cluster
        .api("v1", "PersistentVolumeClaim", "default")
        .delete("c", &DeleteParams::default())
        .await
        .expect("it is there");
    cluster
        .eventually("the volume is released", || async {
            phase(&cluster, "PersistentVolume", "", "v").await == "Released"
        })
        .await;
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_made_where_the_scheduler_says_grows_and_goes_when_its_node_lets_it() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.eventually("there is a node", || async { !cluster.list("v1", "Node", "").await.is_empty() }).await;
    let directory = json!({ "metadata": { "annotations": { "node.sampan.dev/local-path": "/data/local-path" } } });
    cluster.patch("v1", "Node", "", "edge-1", directory).await;
    cluster.apply("v1", "PersistentVolumeClaim", claim(None)).await;
    let waiting = cluster.get("v1", "PersistentVolumeClaim", "default", "c").await;
    assert_eq!(waiting["spec"]["storageClassName"], "local-path");
    let selected = json!({ "metadata": { "annotations": { "volume.kubernetes.io/selected-node": "edge-1" } } });
    cluster.patch("v1", "PersistentVolumeClaim", "default", "c", selected).await;
    cluster
        .eventually("it is bound", || async {
            phase(&cluster, "PersistentVolumeClaim", "default", "c").await == "Bound"
        })
        .await;
    let name = format!("pvc-{}", waiting["metadata"]["uid"].as_str().expect("a uid"));
    let volume = cluster.get("v1", "PersistentVolume", "", &name).await;
    assert_eq!(volume["spec"]["local"]["path"], format!("/data/local-path/{name}"));

    let larger = json!({ "spec": { "resources": { "requests": { "storage": "3Gi" } } } });
    cluster.patch("v1", "PersistentVolumeClaim", "default", "c", larger).await;
    cluster
        .eventually("it is larger", || async {
            cluster.get("v1", "PersistentVolumeClaim", "default", "c").await["status"]["capacity"]["storage"] == "3Gi"
        })
        .await;
    cluster
        .api("v1", "PersistentVolumeClaim", "default")
        .delete("c", &DeleteParams::default())
        .await
        .expect("it is there");
    let held = || async { cluster.get("v1", "PersistentVolume", "", &name).await["metadata"].clone() };
    cluster
        .eventually("only the node holds it", || async {
            let held = held().await;
            held["deletionTimestamp"].is_string() && held["finalizers"] == json!(["sampan.dev/local-path"])
        })
        .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(held().await["deletionTimestamp"].is_string(), "it waits for its node");
    cluster.patch("v1", "PersistentVolume", "", &name, json!({ "metadata": { "finalizers": [] } })).await;
    cluster.eventually("it is gone", || async { held().await.is_null() }).await;
}

#[tokio::test(start_paused = true)]
async fn a_class_of_attributes_waits_for_the_claim_that_names_it() {
    let cluster = Cluster::start().await;
    let (version, kind) = ("storage.k8s.io/v1", "VolumeAttributesClass");
    let class = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "gold" }, "driverName": "csi.test", "parameters": { "iops": "9" } });
    cluster.apply(version, kind, class).await;
    let mut named = claim(Some("manual"));
    named["spec"]["volumeAttributesClassName"] = json!("gold");
    cluster.apply("v1", "PersistentVolumeClaim", named).await;
    let class = || cluster.get(version, kind, "", "gold");
    cluster.eventually("the class is held", || async { class().await["metadata"]["finalizers"].is_array() }).await;
    let classes = cluster.api(version, kind, "");
    classes.delete("gold", &DeleteParams::default()).await.expect("it is there");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(class().await["metadata"]["deletionTimestamp"].is_string());
    let claims = cluster.api("v1", "PersistentVolumeClaim", "default");
    claims.delete("c", &DeleteParams::default()).await.expect("it is there");
    cluster.eventually("the class is gone", || async { class().await.is_null() }).await;
}

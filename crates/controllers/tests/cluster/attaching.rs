//! VolumeAttachments, with an external attacher that is a few lines and a node that speaks as a kubelet.

use serde_json::{Value, json};

use crate::harness::Cluster;

const STORAGE: &str = "storage.k8s.io/v1";
const UNIQUE: &str = "kubernetes.io/csi/csi.test^disk";

/// A node that lives, and leaves attaching to the controller.
async fn node(cluster: &Cluster, name: &'static str) {
    living(cluster, name).await;
    let annotations = json!({ "volumes.kubernetes.io/controller-managed-attach-detach": "true" });
    cluster.patch("v1", "Node", "", name, json!({ "metadata": { "annotations": annotations } })).await;
}

async fn living(cluster: &Cluster, name: &'static str) {
    tokio::spawn(cluster.heartbeat(name));
    cluster
        .eventually("the node is ready", || async {
            cluster.get("v1", "Node", "", name).await["status"]["conditions"].is_array()
        })
        .await;
}

async fn status(cluster: &Cluster, api_version: &str, kind: &str, name: &str, status: Value) {
    let patch = sampan_client::Patch::Merge(json!({ "status": status }));
    let api = cluster.api(api_version, kind, "");
    api.patch_status(name, &Default::default(), &patch).await.expect("the status is valid");
}

async fn pod(cluster: &Cluster, name: &str, node: &str) {
    let volume = json!({ "name": "v", "persistentVolumeClaim": { "claimName": "c" } });
    let spec = json!({ "nodeName": node, "containers": [{ "name": "a", "image": "i" }], "volumes": [volume] });
    let metadata = json!({ "namespace": "default", "name": name });
    cluster.apply("v1", "Pod", json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec })).await;
}

async fn delete_pod(cluster: &Cluster, name: &str) {
    let at_once = sampan_client::DeleteParams { grace_period_seconds: Some(0), ..Default::default() };
    cluster.api("v1", "Pod", "default").delete(name, &at_once).await.expect("it is there");
}

async fn disk(cluster: &Cluster, driver: &str) {
    let claim_ref = json!({ "namespace": "default", "name": "c" });
    let spec = json!({ "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" }, "storageClassName": "",
        "claimRef": claim_ref, "csi": { "driver": driver, "volumeHandle": "disk" } });
    let volume =
        json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "disk" }, "spec": spec });
    cluster.apply("v1", "PersistentVolume", volume).await;
    let spec = json!({ "accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": "disk",
        "resources": { "requests": { "storage": "1Gi" } } });
    let metadata = json!({ "namespace": "default", "name": "c" });
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec });
    cluster.apply("v1", "PersistentVolumeClaim", claim).await;
}

async fn attachments(cluster: &Cluster) -> Vec<Value> {
    cluster.list(STORAGE, "VolumeAttachment", "").await
}

async fn at(cluster: &Cluster, node: &str) -> Option<Value> {
    attachments(cluster).await.into_iter().find(|attachment| attachment["spec"]["nodeName"] == node)
}

async fn told(cluster: &Cluster, node: &str) -> Value {
    cluster.get("v1", "Node", "", node).await["status"]["volumesAttached"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_attached_to_one_node_and_then_to_the_next() {
    let cluster = Cluster::start().await;
    node(&cluster, "one").await;
    node(&cluster, "two").await;
    disk(&cluster, "csi.test").await;
    pod(&cluster, "first", "one").await;
    cluster.eventually("it is to be at one", || async { at(&cluster, "one").await.is_some() }).await;
    let attachment = at(&cluster, "one").await.expect("it was made");
    assert_eq!(
        attachment["spec"],
        json!({ "attacher": "csi.test", "nodeName": "one", "source": { "persistentVolumeName": "disk" } })
    );
    let name = attachment["metadata"]["name"].as_str().expect("a name").to_owned();
    assert!(told(&cluster, "one").await.is_null(), "nobody has attached it yet");

    status(&cluster, STORAGE, "VolumeAttachment", &name, json!({ "attached": true })).await;
    let attached = json!([{ "name": UNIQUE, "devicePath": "" }]);
    cluster.eventually("the node is told", || async { told(&cluster, "one").await == attached }).await;
    status(&cluster, "v1", "Node", "one", json!({ "volumesInUse": [UNIQUE] })).await;
    pod(&cluster, "second", "two").await;
    let says = || async {
        let events = cluster.list("v1", "Event", "default").await;
        let of = |name: &str| {
            events
                .iter()
                .find(|event| event["involvedObject"]["name"] == name && event["reason"] == "FailedAttachVolume")
        };
        of("second").is_some_and(|event| event["message"].as_str().is_some_and(|text| text.ends_with("pod(s) first")))
    };
    cluster.eventually("the second pod learns why it waits", says).await;
    cluster.assert_settled().await;
    assert!(at(&cluster, "two").await.is_none());

    delete_pod(&cluster, "first").await;
    cluster.assert_settled().await;
    assert!(at(&cluster, "one").await.is_some(), "the node has it mounted");
    status(&cluster, "v1", "Node", "one", json!({ "volumesInUse": [] })).await;
    cluster.eventually("it goes to the other", || async { at(&cluster, "two").await.is_some() }).await;
    assert!(at(&cluster, "one").await.is_none());
    assert!(told(&cluster, "one").await.as_array().is_none_or(Vec::is_empty));
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_attached_for_drivers_and_nodes_that_do_without() {
    let cluster = Cluster::start().await;
    let driver = json!({ "apiVersion": STORAGE, "kind": "CSIDriver", "metadata": { "name": "csi.test" }, "spec": { "attachRequired": false } });
    cluster.apply(STORAGE, "CSIDriver", driver).await;
    node(&cluster, "one").await;
    living(&cluster, "own").await;
    disk(&cluster, "csi.test").await;
    pod(&cluster, "p", "one").await;
    cluster.assert_settled().await;
    assert_eq!(attachments(&cluster).await, Vec::<Value>::new());
    delete_pod(&cluster, "p").await;
    cluster.api(STORAGE, "CSIDriver", "").delete("csi.test", &Default::default()).await.expect("it is there");
    pod(&cluster, "q", "own").await;
    cluster.assert_settled().await;
    assert_eq!(attachments(&cluster).await, Vec::<Value>::new());
}

//! Pods with claims: waited for, mounted, kept while cut off, and removed when their volume is.

use serde_json::{Value, json};

use crate::testing::Bed;

const CLAIM: &str = "/api/v1/namespaces/default/persistentvolumeclaims/data";
const VOLUME: &str = "/api/v1/persistentvolumes/pvc-1";

fn with_claim() -> Value {
    json!({"containers": [{"name": "main", "image": "r.test/sleeps:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]})
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_waited_for_and_its_volume_outlives_the_pod_but_not_its_own_end() {
    let mut bed = Bed::started().await;
    let claim =
        json!({"metadata": {"name": "data", "namespace": "default"}, "spec": {}, "status": {"phase": "Pending"}});
    let claim = bed.api.create("/api/v1/namespaces/default/persistentvolumeclaims", claim);
    bed.create("web", with_claim());
    let event = bed.until_event("web", "FailedMount").await;
    let why = "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: error processing PVC default/data: PVC is not bound";
    assert_eq!(event["message"], why);

    let node = bed.api.list("nodes").remove(0);
    let root =
        node["metadata"]["annotations"]["node.sampan.dev/local-path"].as_str().expect("it says where").to_owned();
    let directory = std::path::Path::new(&root).join("pvc-1");
    let volume = json!({
        "metadata": {"name": "pvc-1", "labels": {"sampan.dev/local-path-node": "edge-1"}, "finalizers": ["sampan.dev/local-path"],
            "annotations": {"pv.kubernetes.io/provisioned-by": "sampan.dev/local-path"}},
        "spec": {"local": {"path": directory}, "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {"namespace": "default", "name": "data", "uid": claim["metadata"]["uid"]}},
        "status": {"phase": "Bound"},
    });
    bed.api.create("/api/v1/persistentvolumes", volume);
    bed.api.patch(CLAIM, &json!({"spec": {"volumeName": "pvc-1"}, "status": {"phase": "Bound"}}));
    let pod = bed.until_ready("web").await;
    let uid = pod["metadata"]["uid"].as_str().expect("a uid");
    let seen = bed.directory.path().join("node/pods").join(uid).join("volumes/claim~v");
    std::fs::write(seen.join("note"), "kept").expect("the link leads to the volume");

    // An agent that comes back and cannot ask goes on with what it had.
    bed.stop().await;
    bed.api.set_down(true);
    bed.start().await;
    assert!(seen.join("note").exists());
    bed.api.set_down(false);
    bed.until_ready("web").await;

    bed.api.delete("/api/v1/namespaces/default/pods/web", Some(1));
    bed.until_gone("web").await;
    assert_eq!(std::fs::read(directory.join("note")).expect("it outlives the pod"), b"kept");
    bed.api.patch(VOLUME, &json!({"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z"}}));
    bed.api.patch(VOLUME, &json!({"status": {"phase": "Released"}}));
    let let_go = |api: &crate::testing::TestApi| {
        let volume = api.get("persistentvolumes", "", "pvc-1")?;
        (volume["metadata"]["finalizers"] == json!([])).then_some(())
    };
    bed.api.until("the volume is let go", let_go).await;
    assert!(!directory.exists());
}

use expect_test::expect;
use serde_json::{Value, json};

use super::{change_refused, made, place, status_refused};
use crate::cluster::Cluster;
use crate::tables::check;
use crate::validation::refused;

fn volume(name: &str, more: Value) -> Value {
    let mut volume = json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"}}});
    json_patch(&mut volume["spec"], more);
    volume
}

fn claim(name: &str, more: Value) -> Value {
    let mut claim = json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}});
    json_patch(&mut claim["spec"], more);
    claim
}

/// Sets members; null removes.
fn json_patch(target: &mut Value, more: Value) {
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(target.as_object_mut().unwrap().remove(name)),
            value => target[name] = value.clone(),
        }
    }
}

#[tokio::test]
async fn a_new_volume_waits_and_says_since_when() {
    let cluster = Cluster::new().await;
    let made = made(&cluster, "persistentvolumes", volume("v", json!({}))).await;
    assert_eq!(made["status"]["phase"], "Pending");
    assert_eq!(made["status"]["lastPhaseTransitionTime"], made["metadata"]["creationTimestamp"]);
    assert_eq!(made["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    cluster.clock.advance(std::time::Duration::from_secs(60));
    let status = place(&cluster, "persistentvolumes", "v").subresource("status");
    let bound = cluster.merge(&status, json!({"status": {"phase": "Bound"}})).await.unwrap();
    assert_ne!(bound["status"]["lastPhaseTransitionTime"], made["metadata"]["creationTimestamp"]);
    let again = cluster.merge(&status, json!({"status": {"message": "still"}})).await.unwrap();
    assert_eq!(again["status"]["lastPhaseTransitionTime"], bound["status"]["lastPhaseTransitionTime"]);
}

#[tokio::test]
async fn volumes_that_are_refused() {
    let cluster = Cluster::new().await;
    let check = async |object, expected| refused(&cluster, "persistentvolumes", object, expected).await;
    check(json!({"metadata": {"name": "v"}, "spec": {}}), expect![[r#"422 Invalid: PersistentVolume "v" is invalid: [spec.accessModes: Required value, spec.capacity: Required value, spec.capacity: Unsupported value: {}: supported values: "storage", spec: Required value: must specify a volume type]"#]]).await;
    check(
        volume("v", json!({"accessModes": ["ReadWriteOncePod", "ReadWriteMany", "Often"], "capacity": {"cpu": "0"},
            "persistentVolumeReclaimPolicy": "Keep", "volumeMode": "Tape", "storageClassName": "Fast_"})),
        expect![[r#"422 Invalid: PersistentVolume "v" is invalid: [spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod", spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes, spec.capacity: Unsupported value: {"cpu":"0"}: supported values: "storage", spec.capacity[cpu]: Invalid value: "0": must be greater than zero, spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", "Retain", spec.storageClassName: Invalid value: "Fast_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"]"#]],
    )
    .await;
    check(volume("v", json!({"nfs": {"server": "s", "path": "data"}})), expect![[r#"422 Invalid: PersistentVolume "v" is invalid: spec.nfs: Forbidden: may not specify more than 1 volume type"#]]).await;
    check(volume("v", json!({"hostPath": null, "local": {"path": "../x"}})), expect![[r#"422 Invalid: PersistentVolume "v" is invalid: [spec.local.path: Invalid value: "../x": must not contain '..', spec.nodeAffinity: Required value: Local volume requires node affinity]"#]]).await;
    check(
        volume("v", json!({"hostPath": {"path": "/./"}, "persistentVolumeReclaimPolicy": "Recycle"})),
        expect![[r#"422 Invalid: PersistentVolume "v" is invalid: spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"#]],
    )
    .await;
    check(
        volume("v", json!({"hostPath": null, "csi": {"driver": "A_", "nodePublishSecretRef": {"name": "s"}}})),
        expect![[r#"422 Invalid: PersistentVolume "v" is invalid: [spec.csi.driver: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.csi.volumeHandle: Required value, spec.csi.nodePublishSecretRef.namespace: Required value]"#]],
    )
    .await;
    check(
        volume("v", json!({"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "zone", "operator": "In"}, {"key": "a b", "operator": "Near"}]}]}}})),
        expect![[r#"422 Invalid: PersistentVolume "v" is invalid: [spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn', spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[1].operator: Invalid value: "Near": not a valid selector operator, spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[1].key: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')]"#]],
    )
    .await;
    check(volume("v", json!({"nodeAffinity": {"required": {"nodeSelectorTerms": []}}})), expect![[r#"422 Invalid: PersistentVolume "v" is invalid: spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term"#]]).await;
    check(volume("v", json!({"volumeAttributesClassName": "gold"})), expect![[r#"422 Invalid: PersistentVolume "v" is invalid: spec.csi: Required value: has to be specified when using volumeAttributesClassName"#]]).await;
}

#[tokio::test]
async fn a_volume_keeps_its_source() {
    let cluster = Cluster::new().await;
    let affinity = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [
        {"key": "failure-domain.beta.kubernetes.io/zone", "operator": "In", "values": ["a"]}]}]}});
    made(&cluster, "persistentvolumes", volume("v", json!({"nodeAffinity": affinity}))).await;
    let check = async |patch, expected| change_refused(&cluster, "persistentvolumes", "v", patch, expected).await;
    check(json!({"spec": {"hostPath": {"path": "/other"}}}), expect![[r#"422 Invalid: PersistentVolume "v" is invalid: spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"#]]).await;
    check(
        json!({"spec": {"volumeMode": "Block"}}),
        expect![[
            r#"422 Invalid: PersistentVolume "v" is invalid: volumeMode: Invalid value: "Block": field is immutable"#
        ]],
    )
    .await;
    check(json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
        {"key": "zone", "operator": "Exists"}]}]}}}}), expect![[r#"422 Invalid: PersistentVolume "v" is invalid: nodeAffinity: Invalid value: {"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"zone","operator":"Exists"}]}]}}: field is immutable, except for updating from beta label to GA"#]]).await;
    let newer = json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}]}]}}}});
    cluster.merge(&place(&cluster, "persistentvolumes", "v"), newer).await.unwrap();
    let csi = json!({"hostPath": null, "csi": {"driver": "d", "volumeHandle": "h"}});
    made(&cluster, "persistentvolumes", volume("c", csi)).await;
    let secret = json!({"spec": {"csi": {"controllerExpandSecretRef": {"name": "s", "namespace": "n"}}}});
    cluster.merge(&place(&cluster, "persistentvolumes", "c"), secret).await.unwrap();
}

#[tokio::test]
async fn what_is_on_its_way_out_is_warned_of() {
    let cluster = Cluster::new().await;
    let at = place(&cluster, "persistentvolumes", "");
    let mut old = volume(
        "v",
        json!({"hostPath": null, "rbd": {"monitors": ["m"], "image": "i"},
        "persistentVolumeReclaimPolicy": "Recycle"}),
    );
    old["metadata"]["annotations"] = json!({"volume.beta.kubernetes.io/storage-class": "x"});
    expect![[r#"
        metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead
        spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.
        spec.rbd: deprecated in v1.28, non-functional in v1.31+"#]].assert_eq(&at.resource.strategy().warnings(&old).join("\n"));
    let half = claim("c", json!({"resources": {"requests": {"storage": "1500m"}}}));
    let at = place(&cluster, "persistentvolumeclaims", "");
    expect![[r#"spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer"#]]
        .assert_eq(&at.resource.strategy().warnings(&half).join("\n"));
}

#[tokio::test]
async fn claims_that_are_refused() {
    let cluster = Cluster::new().await;
    let check = async |object, expected| refused(&cluster, "persistentvolumeclaims", object, expected).await;
    check(json!({"metadata": {"name": "c"}, "spec": {}}), expect![[r#"422 Invalid: PersistentVolumeClaim "c" is invalid: [spec.accessModes: Required value: at least 1 access mode is required, spec.resources[storage]: Required value]"#]]).await;
    check(
        claim("c", json!({"resources": {"requests": {"storage": "0"}}, "volumeMode": "Tape",
            "storageClassName": "A", "selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}})),
        expect![[r#"422 Invalid: PersistentVolumeClaim "c" is invalid: [spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn', spec.resources[storage]: Invalid value: "0": must be greater than zero, spec.storageClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"]"#]],
    )
    .await;
    check(
        claim("c", json!({"dataSource": {"kind": "Snapshot", "name": ""}, "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "x"}})),
        expect![[r#"422 Invalid: PersistentVolumeClaim "c" is invalid: [spec.dataSource.name: Required value, spec.dataSource: Invalid value: "Snapshot": must be 'PersistentVolumeClaim' when referencing the default apiGroup, spec: Invalid value: {}: must match dataSourceRef]"#]],
    )
    .await;
}

#[tokio::test]
async fn a_claims_data_sources_say_the_same() {
    let cluster = Cluster::new().await;
    let source = json!({"kind": "PersistentVolumeClaim", "name": "other"});
    let old = made(&cluster, "persistentvolumeclaims", claim("a", json!({"dataSource": source}))).await;
    assert_eq!(old["spec"]["dataSourceRef"], source);
    let new = made(&cluster, "persistentvolumeclaims", claim("b", json!({"dataSourceRef": source}))).await;
    assert_eq!(new["spec"]["dataSource"], source);
    assert_eq!((&new["status"]["phase"], &new["spec"]["volumeMode"]), (&json!("Pending"), &json!("Filesystem")));
}

#[tokio::test]
async fn of_a_claim_only_some_may_change() {
    let cluster = Cluster::new().await;
    made(&cluster, "persistentvolumeclaims", claim("c", json!({}))).await;
    let at = place(&cluster, "persistentvolumeclaims", "c");
    let check = async |patch, expected| change_refused(&cluster, "persistentvolumeclaims", "c", patch, expected).await;
    check(json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}}), expect![[r#"422 Invalid: PersistentVolumeClaim "c" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"#]]).await;
    cluster.merge(&at, json!({"spec": {"volumeName": "v"}})).await.unwrap();
    check(json!({"spec": {"volumeName": "w"}}), expect![[r#"422 Invalid: PersistentVolumeClaim "c" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"#]]).await;
    cluster.merge(&at, json!({"spec": {"storageClassName": "late"}})).await.unwrap();
    check(json!({"spec": {"storageClassName": "later"}}), expect![[r#"422 Invalid: PersistentVolumeClaim "c" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"#]]).await;
    let bound = json!({"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}});
    cluster.merge(&at.clone().subresource("status"), bound).await.unwrap();
    cluster.merge(&at, json!({"spec": {"resources": {"requests": {"storage": "3Gi"}}}})).await.unwrap();
    cluster.merge(&at, json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}})).await.unwrap();
    check(json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}}}), expect![[r#"422 Invalid: PersistentVolumeClaim "c" is invalid: spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"#]]).await;
    cluster.merge(&at, json!({"spec": {"volumeAttributesClassName": "gold"}})).await.unwrap();
    check(json!({"spec": {"volumeAttributesClassName": null}}), expect![[r#"422 Invalid: PersistentVolumeClaim "c" is invalid: spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden"#]]).await;
    check(
        json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "x"}}}),
        expect![[r#"422 Invalid: PersistentVolumeClaim "c" is invalid: metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "x": field is immutable"#]],
    )
    .await;
    status_refused(
        &cluster,
        "persistentvolumeclaims",
        "c",
        json!({"status": {"capacity": {"storage": "-1"}, "allocatedResources": {"cpu": "1"},
            "allocatedResourceStatuses": {"storage": "Growing"}}}),
        expect![[r#"422 Invalid: PersistentVolumeClaim "c" is invalid: [status.capacity[storage]: Invalid value: "-1": must be greater than or equal to 0, status.allocatedResourceStatus: Unsupported value: "Growing": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending", status.allocatedResources[cpu]: Unsupported value: "cpu": supported values: "storage"]"#]],
    )
    .await;
}

#[tokio::test]
async fn tables() {
    let mut bound = volume(
        "v",
        json!({"accessModes": ["ReadOnlyMany", "ReadWriteOnce"], "storageClassName": "fast",
        "persistentVolumeReclaimPolicy": "Delete", "volumeMode": "Filesystem",
        "claimRef": {"namespace": "default", "name": "c"}}),
    );
    bound["status"] = json!({"phase": "Bound"});
    let mut going = volume("w", json!({}));
    going["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    check("persistentvolumes", &[bound, going], expect![[r#"
        Name | Capacity | Access Modes | Reclaim Policy | Status | Claim | StorageClass | VolumeAttributesClass | Reason | Age | VolumeMode
        v | 1Gi | RWO,ROX | Delete | Bound | default/c | fast | <unset> |  | 10m | Filesystem
        w | 1Gi | RWO |  | Terminating |  |  | <unset> |  | 10m | <unset>"#]]).await;
    let mut bound = claim(
        "c",
        json!({"volumeName": "v", "storageClassName": "fast", "volumeMode": "Filesystem",
        "volumeAttributesClassName": "gold"}),
    );
    bound["status"] = json!({"phase": "Bound", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOncePod"]});
    let mut waiting = claim("d", json!({}));
    waiting["status"] = json!({"phase": "Pending"});
    check(
        "persistentvolumeclaims",
        &[bound, waiting],
        expect![[r#"
        Name | Status | Volume | Capacity | Access Modes | StorageClass | VolumeAttributesClass | Age | VolumeMode
        c | Bound | v | 2Gi | RWOP | fast | gold | 10m | Filesystem
        d | Pending |  |  |  |  | <unset> | 10m | <unset>"#]],
    )
    .await;
}

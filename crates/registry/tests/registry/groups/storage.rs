use expect_test::expect;
use serde_json::{Value, json};

use super::{change_refused, made, status_refused};
use crate::cluster::Cluster;
use crate::tables::check;
use crate::validation::refused;

fn class(name: &str) -> Value {
    json!({"metadata": {"name": name}, "provisioner": "Example.com/Disk", "parameters": {"type": "fast"}})
}

#[tokio::test]
async fn storage_classes() {
    let cluster = Cluster::new().await;
    let path = "storage/storageclasses";
    let made = made(&cluster, path, class("fast")).await;
    assert_eq!((&made["reclaimPolicy"], &made["volumeBindingMode"]), (&json!("Delete"), &json!("Immediate")));
    let check = async |object, expected| refused(&cluster, path, object, expected).await;
    check(json!({"metadata": {"name": "x"}, "parameters": {"": "a"}, "reclaimPolicy": "Recycle", "volumeBindingMode": "Late"}), expect![[r#"422 Invalid: StorageClass.storage.k8s.io "x" is invalid: [provisioner: Required value, parameters: Invalid value: "": field can not be empty., reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain", volumeBindingMode: Unsupported value: "Late": supported values: "Immediate", "WaitForFirstConsumer"]"#]]).await;
    check(
        json!({"metadata": {"name": "x"}, "provisioner": "a b", "parameters": {"k": "x".repeat(300_000)},
            "allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": ["a", "a", "b c"]}, {"key": "zone", "values": []}]},
            {"matchLabelExpressions": [{"key": "z", "values": ["a"]}]}, {"matchLabelExpressions": [{"key": "z", "values": ["a"]}]}]}),
        expect![[r#"422 Invalid: StorageClass.storage.k8s.io "x" is invalid: [provisioner: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), parameters: Too long: may not be more than 262144 bytes, allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a", allowedTopologies[0].matchLabelExpressions[0].values[2]: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'), allowedTopologies[0].matchLabelExpressions[1].values: Required value, allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone", allowedTopologies[2].matchLabelExpressions: Duplicate value: ""]"#]],
    )
    .await;
    let patch = json!({"provisioner": "other", "parameters": null, "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer"});
    change_refused(&cluster, path, "fast", patch, expect![[r#"422 Invalid: StorageClass.storage.k8s.io "fast" is invalid: [parameters: Forbidden: updates to parameters are forbidden., provisioner: Forbidden: updates to provisioner are forbidden., reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden., volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable]"#]]).await;
}

#[tokio::test]
async fn volume_attributes_classes() {
    let cluster = Cluster::new().await;
    let path = "storage/volumeattributesclasses";
    refused(&cluster, path, json!({"metadata": {"name": "x"}}), expect![[r#"422 Invalid: VolumeAttributesClass.storage.k8s.io "x" is invalid: [driverName: Required value, parameters: Required value: must contain at least one key/value pair]"#]]).await;
    made(&cluster, path, json!({"metadata": {"name": "gold"}, "driverName": "d", "parameters": {"iops": "5"}})).await;
    change_refused(&cluster, path, "gold", json!({"driverName": "e", "parameters": {"iops": "6"}}), expect![[r#"422 Invalid: VolumeAttributesClass.storage.k8s.io "gold" is invalid: [driverName: Forbidden: updates to driverName are forbidden., parameters: Forbidden: updates to parameters are forbidden.]"#]]).await;
}

#[tokio::test]
async fn drivers() {
    let cluster = Cluster::new().await;
    let path = "storage/csidrivers";
    let driver = made(&cluster, path, json!({"metadata": {"name": "d"}, "spec": {}})).await;
    assert_eq!((&driver["spec"]["attachRequired"], &driver["metadata"]["generation"]), (&json!(true), &json!(1)));
    refused(
        &cluster,
        path,
        json!({"metadata": {"name": "e"}, "spec": {"fsGroupPolicy": "Some", "volumeLifecycleModes": ["Forever"],
            "nodeAllocatableUpdatePeriodSeconds": 5,
            "tokenRequests": [{"audience": "a", "expirationSeconds": 5}, {"audience": "a"}, {"audience": "b", "expirationSeconds": 5_000_000_000_i64}]}}),
        expect![[r#"422 Invalid: CSIDriver.storage.k8s.io "e" is invalid: [spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", "None", "ReadWriteOnceWithFSType", spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes, spec.tokenRequests[1].audience: Duplicate value: "a", spec.tokenRequests[2].expirationSeconds: Invalid value: 5000000000: may not specify a duration larger than 2^32 seconds, spec.volumeLifecycleModes: Unsupported value: "Forever": supported values: "Persistent", "Ephemeral", spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 5: must be greater than or equal to 10 seconds]"#]],
    )
    .await;
    let patch = json!({"spec": {"attachRequired": false, "volumeLifecycleModes": ["Ephemeral"]}});
    change_refused(&cluster, path, "d", patch, expect![[r#"422 Invalid: CSIDriver.storage.k8s.io "d" is invalid: [spec.attachedRequired: Invalid value: false: field is immutable, spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable]"#]]).await;
}

#[tokio::test]
async fn nodes_and_their_drivers() {
    let cluster = Cluster::new().await;
    let path = "storage/csinodes";
    refused(
        &cluster,
        path,
        json!({"metadata": {"name": "n"}, "spec": {"drivers": [{"name": "", "nodeID": ""},
            {"name": "d", "nodeID": "x".repeat(257), "topologyKeys": ["a", "a", "b c"], "allocatable": {"count": -1}}, {"name": "d", "nodeID": "1"}]}}),
        expect![[r#"422 Invalid: CSINode.storage.k8s.io "n" is invalid: [spec.drivers[0].name: Required value, spec.drivers[0].name: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.drivers[0].nodeID: Required value, spec.drivers[1].nodeID: Invalid value: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": must be 256 characters or less, spec.drivers[1].allocatable.count: Invalid value: -1: must be greater than or equal to 0, spec.drivers[1]: Duplicate value: "a", spec.drivers[1]: Invalid value: "b c": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), spec.drivers[2].name: Duplicate value: "d"]"#]],
    )
    .await;
    made(&cluster, path, json!({"metadata": {"name": "n"}, "spec": {"drivers": [{"name": "d", "nodeID": "1"}]}})).await;
    let patch = json!({"spec": {"drivers": [{"name": "d", "nodeID": "2", "allocatable": {"count": 3}}]}});
    change_refused(&cluster, path, "n", patch, expect![[r#"422 Invalid: CSINode.storage.k8s.io "n" is invalid: spec.drivers: Invalid value: {"name":"d","nodeID":"2"}: field is immutable"#]]).await;
    let more = json!({"spec": {"drivers": [{"name": "d", "nodeID": "1", "allocatable": {"count": 3}}]}});
    cluster.merge(&super::place(&cluster, path, "n"), more).await.unwrap();
}

#[tokio::test]
async fn capacities() {
    let cluster = Cluster::new().await;
    let path = "storage/csistoragecapacities";
    refused(&cluster, path, json!({"metadata": {"name": "c"}, "storageClassName": "A", "capacity": "-1"}), expect![[r#"422 Invalid: CSIStorageCapacity.storage.k8s.io "c" is invalid: [storageClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), capacity: Invalid value: "-1": must be greater than or equal to 0]"#]]).await;
    made(&cluster, path, json!({"metadata": {"name": "c"}, "storageClassName": "fast", "nodeTopology": {}})).await;
    let patch = json!({"storageClassName": "slow", "nodeTopology": {"matchLabels": {"a": "b"}}});
    change_refused(&cluster, path, "c", patch, expect![[r#"422 Invalid: CSIStorageCapacity.storage.k8s.io "c" is invalid: [nodeTopology: Invalid value: {"matchLabels":{"a":"b"}}: field is immutable, storageClassName: Invalid value: "slow": field is immutable]"#]]).await;
}

#[tokio::test]
async fn attachments() {
    let cluster = Cluster::new().await;
    let path = "storage/volumeattachments";
    let check = async |spec: Value, expected| {
        refused(&cluster, path, json!({"metadata": {"name": "a"}, "spec": spec}), expected).await;
    };
    check(json!({"source": {}}), expect![[r#"422 Invalid: VolumeAttachment.storage.k8s.io "a" is invalid: [spec.attacher: Required value, spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName, spec.nodeName: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.attacher: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')]"#]]).await;
    check(
        json!({"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "v", "inlineVolumeSpec": {}}}),
        expect![[r#"422 Invalid: VolumeAttachment.storage.k8s.io "a" is invalid: spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName"#]],
    )
    .await;
    check(
        json!({"attacher": "d", "nodeName": "n", "source": {"inlineVolumeSpec": {"capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "fast", "nfs": {"server": "s", "path": "/"}}}}),
        expect![[r#"422 Invalid: VolumeAttachment.storage.k8s.io "a" is invalid: [spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes, spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline volumes, spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes, spec.source.inlineVolumeSpec.accessModes: Required value, spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes]"#]],
    )
    .await;
    let good = json!({"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "v"}});
    made(&cluster, path, json!({"metadata": {"name": "a"}, "spec": good, "status": {"attached": true}})).await;
    let stored = cluster.get(&super::place(&cluster, path, "a")).await.unwrap();
    assert!(stored["status"].get("attached").is_none_or(|attached| attached == false), "{stored}");
    change_refused(&cluster, path, "a", json!({"spec": {"nodeName": "m"}}), expect![[r#"422 Invalid: VolumeAttachment.storage.k8s.io "a" is invalid: spec: Invalid value: {"attacher":"d","nodeName":"m","source":{"persistentVolumeName":"v"}}: field is immutable"#]]).await;
    let status = json!({"status": {"attachError": {"message": "x".repeat(1025), "errorCode": -1}}});
    status_refused(&cluster, path, "a", status, expect![[r#"422 Invalid: VolumeAttachment.storage.k8s.io "a" is invalid: [status.attachError.message: Too long: may not be more than 262144 bytes, status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive]"#]]).await;
}

#[tokio::test]
async fn tables() {
    let mut default = class("fast");
    default["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
    let mut slow = class("slow");
    slow["reclaimPolicy"] = json!("Retain");
    slow["allowVolumeExpansion"] = json!(true);
    check(
        "storage/storageclasses",
        &[default, slow],
        expect![[r#"
        Name | Provisioner | ReclaimPolicy | VolumeBindingMode | AllowVolumeExpansion | Age
        fast (default) | Example.com/Disk | Delete | Immediate | false | 10m
        slow | Example.com/Disk | Retain | Immediate | true | 10m"#]],
    )
    .await;
    let class = json!({"metadata": {"name": "gold"}, "driverName": "d"});
    check(
        "storage/volumeattributesclasses",
        &[class],
        expect![[r#"
        Name | DriverName | Age
        gold | d | 10m"#]],
    )
    .await;
    let driver = json!({"metadata": {"name": "d"}, "spec": {"attachRequired": false, "podInfoOnMount": true,
        "volumeLifecycleModes": ["Persistent", "Ephemeral"], "tokenRequests": [{"audience": "a"}, {"audience": "b"}]}});
    check(
        "storage/csidrivers",
        &[driver, json!({"metadata": {"name": "e"}, "spec": {}})],
        expect![[r#"
        Name | AttachRequired | PodInfoOnMount | StorageCapacity | TokenRequests | RequiresRepublish | Modes | Age
        d | false | true | false | a,b | false | Persistent,Ephemeral | 10m
        e | true | false | false | <unset> | false | <none> | 10m"#]],
    )
    .await;
    let node = json!({"metadata": {"name": "n"}, "spec": {"drivers": [{"name": "d"}, {"name": "e"}]}});
    check(
        "storage/csinodes",
        &[node],
        expect![[r#"
        Name | Drivers | Age
        n | 2 | 10m"#]],
    )
    .await;
    let room = json!({"metadata": {"name": "c"}, "storageClassName": "fast", "capacity": "5Gi"});
    let unknown = json!({"metadata": {"name": "u"}, "storageClassName": "fast"});
    check(
        "storage/csistoragecapacities",
        &[room, unknown],
        expect![[r#"
        Name | StorageClassName | Capacity | Age
        c | fast | 5Gi | 10m
        u | fast | <unset> | 10m"#]],
    )
    .await;
    let attachment = json!({"metadata": {"name": "a"}, "spec": {"attacher": "d", "nodeName": "n",
        "source": {"persistentVolumeName": "v"}}, "status": {"attached": true}});
    check(
        "storage/volumeattachments",
        &[attachment],
        expect![[r#"
        Name | Attacher | PV | Node | Attached | Age
        a | d | v | n | true | 10m"#]],
    )
    .await;
}

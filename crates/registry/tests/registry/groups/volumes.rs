use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::cluster::{Cluster, pod};
use crate::validation::refused;

/// A pod with one volume that has this source.
fn with(source: Value) -> Value {
    let mut volume = json!({"name": "v"});
    volume.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    let mut pod = pod("p");
    pod["spec"]["volumes"] = json!([volume]);
    pod
}

#[tokio::test]
async fn every_source_says_what_it_lacks() {
    let cluster = Cluster::new().await;
    let rows: [(Value, Expect); 32] = [
        (
            json!({"emptyDir": {"sizeLimit": "-1"}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"#
            ]],
        ),
        (
            json!({"hostPath": {}}),
            expect![[r#"422 Invalid: Pod "p" is invalid: spec.volumes[0].hostPath.path: Required value"#]],
        ),
        (
            json!({"hostPath": {"path": "/a/../b", "type": "Pipe"}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain '..', spec.volumes[0].hostPath.type: Unsupported value: "Pipe": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"]"#
            ]],
        ),
        (
            json!({"gitRepo": {"directory": "../x"}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].gitRepo.repository: Required value, spec.volumes[0].gitRepo.directory: Invalid value: "../x": must not contain '..']"#
            ]],
        ),
        (
            json!({"gcePersistentDisk": {"partition": 256}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].persistentDisk.pdName: Required value, spec.volumes[0].persistentDisk.partition: Invalid value: 256: must be between 0 and 255, inclusive]"#
            ]],
        ),
        (
            json!({"awsElasticBlockStore": {}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: spec.volumes[0].awsElasticBlockStore.volumeID: Required value"#
            ]],
        ),
        (
            json!({"secret": {"defaultMode": 512, "items": [{"key": "k", "path": "/x", "mode": -1}, {"path": "..x"}]}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].secret.secretName: Required value, spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive, spec.volumes[0].secret.items[0].path: Invalid value: "/x": must be a relative path, spec.volumes[0].secret.items[0].mode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive, spec.volumes[0].secret.items[1].key: Required value, spec.volumes[0].secret.items[1].path: Invalid value: "..x": must not start with '..']"#
            ]],
        ),
        (
            json!({"nfs": {"server": "s", "path": "x"}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: spec.volumes[0].nfs.path: Invalid value: "x": must be an absolute path"#
            ]],
        ),
        (
            json!({"iscsi": {"lun": 256, "iqn": "abc", "chapAuthSession": true}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].iscsi.targetPortal: Required value, spec.volumes[0].iscsi.iqn: Invalid value: "abc": must be valid format starting with iqn, eui, or naa, spec.volumes[0].iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive, spec.volumes[0].iscsi.secretRef: Required value]"#
            ]],
        ),
        (
            json!({"iscsi": {"targetPortal": "p".repeat(70), "iqn": "iqn.2001-04.com.example:disk", "initiatorName": "eui.12"}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].name: Invalid value: "v": Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified., spec.volumes[0].iscsi.initiatorname: Invalid value: "eui.12": must be valid format]"#
            ]],
        ),
        (
            json!({"glusterfs": {}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].glusterfs.endpoints: Required value, spec.volumes[0].glusterfs.path: Required value]"#
            ]],
        ),
        (
            json!({"flocker": {"datasetName": "a/b", "datasetUUID": "c"}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].flocker: Invalid value: "resource": datasetName and datasetUUID can not be specified simultaneously, spec.volumes[0].flocker.datasetName: Invalid value: "a/b": must not contain '/']"#
            ]],
        ),
        (
            json!({"persistentVolumeClaim": {}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: spec.volumes[0].persistentVolumeClaim.claimName: Required value"#
            ]],
        ),
        (
            json!({"rbd": {}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].rbd.monitors: Required value, spec.volumes[0].rbd.image: Required value]"#
            ]],
        ),
        (
            json!({"cinder": {"secretRef": {}}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].cinder.volumeID: Required value, spec.volumes[0].cinder.secretRef.name: Required value]"#
            ]],
        ),
        (
            json!({"cephfs": {}}),
            expect![[r#"422 Invalid: Pod "p" is invalid: spec.volumes[0].cephfs.monitors: Required value"#]],
        ),
        (
            json!({"quobyte": {"registry": "host"}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].quobyte.registry: Invalid value: "host": must be a host:port pair or multiple pairs separated by commas, spec.volumes[0].quobyte.volume: Required value]"#
            ]],
        ),
        (
            json!({"fc": {"targetWWNs": ["a"], "wwids": ["b"]}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously, spec.volumes[0].fc.lun: Required value: lun is required if targetWWNs is specified]"#
            ]],
        ),
        (
            json!({"flexVolume": {"options": {"x.k8s.io/a": "b"}}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].flexVolume.driver: Required value, spec.volumes[0].flexVolume.options[x.k8s.io/a]: Invalid value: "x.k8s.io/a": kubernetes.io and k8s.io namespaces are reserved]"#
            ]],
        ),
        (
            json!({"configMap": {}}),
            expect![[r#"422 Invalid: Pod "p" is invalid: spec.volumes[0].configMap.name: Required value"#]],
        ),
        (
            json!({"azureFile": {}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].azureFile.secretName: Required value, spec.volumes[0].azureFile.shareName: Required value]"#
            ]],
        ),
        (
            json!({"azureDisk": {"diskName": "d", "diskURI": "x", "cachingMode": "Some", "kind": "Managed"}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].azureDisk.cachingMode: Unsupported value: "Some": supported values: "None", "ReadOnly", "ReadWrite", spec.volumes[0].azureDisk.diskURI: Unsupported value: "x": supported values: "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"]"#
            ]],
        ),
        (
            json!({"vsphereVolume": {}}),
            expect![[r#"422 Invalid: Pod "p" is invalid: spec.volumes[0].vsphereVolume.volumePath: Required value"#]],
        ),
        (
            json!({"portworxVolume": {}}),
            expect![[r#"422 Invalid: Pod "p" is invalid: spec.volumes[0].portworxVolume.volumeID: Required value"#]],
        ),
        (
            json!({"storageos": {"volumeNamespace": "A"}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].storageos.volumeName: Required value, spec.volumes[0].storageos.volumeNamespace: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')]"#
            ]],
        ),
        (
            json!({"scaleIO": {}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].scaleIO.gateway: Required value, spec.volumes[0].scaleIO.system: Required value, spec.volumes[0].scaleIO.volumeName: Required value]"#
            ]],
        ),
        (
            json!({"csi": {"driver": "a/b", "nodePublishSecretRef": {"name": ""}}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].csi.driver: Invalid value: "a/b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.volumes[0].csi.nodePublishSecretRef.name: Required value]"#
            ]],
        ),
        (
            json!({"ephemeral": {}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: spec.volumes[0].ephemeral.volumeClaimTemplate: Required value"#
            ]],
        ),
        (
            json!({"ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "x"}, "spec": {}}}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set for an ephemeral volume, spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required, spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value]"#
            ]],
        ),
        (
            json!({"image": {"pullPolicy": "Later"}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].image.reference: Required value, spec.volumes[0].image.pullPolicy: Unsupported value: "Later": supported values: "Always", "IfNotPresent", "Never"]"#
            ]],
        ),
        (
            json!({"downwardAPI": {"items": [{"path": "a"}, {"path": "../b", "fieldRef": {"fieldPath": "status.podIP"}},
                {"path": "c", "fieldRef": {"fieldPath": "metadata.labels['a b']"}}, {"path": "d", "fieldRef": {"fieldPath": "spec.color"}},
                {"path": "e", "resourceFieldRef": {"resource": "limits.cpu", "containerName": "main", "divisor": "2"}},
                {"path": "f", "resourceFieldRef": {"resource": "limits.color", "containerName": "main"}}]}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required, spec.volumes[0].downwardAPI.path: Invalid value: "../b": must not contain '..', spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "status.podIP": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid", spec.volumes[0].downwardAPI.fieldRef: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), spec.volumes[0].downwardAPI.fieldRef.fieldPath: Invalid value: "spec.color": error converting fieldPath: field label not supported: spec.color, spec.volumes[0].downwardAPI.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource, spec.volumes[0].downwardAPI.resourceFieldRef.resource: Unsupported value: "limits.color": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"]"#
            ]],
        ),
        (
            json!({"projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "k", "path": "a"}]}, "configMap": {"items": [{"key": "k", "path": "a"}]}},
                {"serviceAccountToken": {"expirationSeconds": 5}}, {"clusterTrustBundle": {"path": "a"}}]}}),
            expect![[
                r#"422 Invalid: Pod "p" is invalid: [spec.volumes[0].projected.sources[0].configMap.name: Required value, spec.volumes[0].projected: Invalid value: "": conflicting duplicate paths, spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type, spec.volumes[0].projected.sources[1].serviceAccountToken.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes, spec.volumes[0].projected.path: Required value, spec.volumes[0].projected.sources[2].clusterTrustBundle: Required value: either name or signerName must be specified, spec.volumes[0].projected: Invalid value: "a": conflicting duplicate paths]"#
            ]],
        ),
    ];
    for (source, expected) in rows {
        refused(&cluster, "pods", with(source), expected).await;
    }
}

#[tokio::test]
async fn claims_of_ephemeral_volumes_are_the_pods_own() {
    let cluster = Cluster::new().await;
    let mut pod = pod("p");
    let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    pod["spec"]["volumes"] = json!([
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}},
        {"name": "other", "persistentVolumeClaim": {"claimName": "p-scratch"}},
    ]);
    refused(&cluster, "pods", pod, expect![[r#"422 Invalid: Pod "p" is invalid: spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "p-scratch": must not reference a PVC that gets created for an ephemeral volume"#]]).await;
}

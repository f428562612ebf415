use expect_test::expect;
use serde_json::{Value, json};

use super::{change_refused, made, place, status_refused};
use crate::cluster::{Cluster, fields, names};
use crate::tables::check;
use crate::validation::refused;

fn claim(devices: Value) -> Value {
    json!({"metadata": {"name": "c"}, "spec": {"devices": devices}})
}

#[tokio::test]
async fn claims() {
    let cluster = Cluster::new().await;
    let path = "resource/resourceclaims";
    let one = json!({"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]});
    let made = made(&cluster, path, claim(one)).await;
    let exactly = &made["spec"]["devices"]["requests"][0]["exactly"];
    assert_eq!((&exactly["allocationMode"], &exactly["count"]), (&json!("ExactCount"), &json!(1)));
    let check = async |devices: Value, expected| refused(&cluster, path, claim(devices), expected).await;
    check(json!({"requests": [{"name": "A"}, {"name": "b", "exactly": {"deviceClassName": "x"}, "firstAvailable": [{"name": "y"}]}]}), expect![[r#"422 Invalid: ResourceClaim.resource.k8s.io "c" is invalid: [spec.devices.requests[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required, spec.devices.requests[1]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set]"#]]).await;
    check(
        json!({"requests": [{"name": "a", "exactly": {"allocationMode": "Some", "count": 2, "selectors": [{}],
                "tolerations": [{"key": "a b", "operator": "Exists", "value": "x", "effect": "Never"}]}},
                {"name": "a", "firstAvailable": [{"name": "s", "deviceClassName": "x", "allocationMode": "All", "count": 2}, {"name": "s", "deviceClassName": "x", "count": -1}]}],
            "constraints": [{"requests": ["z", "a/b/c", "a/s"]}, {"matchAttribute": "model"}],
            "config": [{"requests": ["a", "a"]}, {"opaque": {"driver": "", "parameters": "text"}}]}),
        expect![[r#"422 Invalid: ResourceClaim.resource.k8s.io "c" is invalid: [spec.devices.requests[0].exactly.deviceClassName: Required value, spec.devices.requests[0].exactly.selectors[0].cel: Required value, spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount", spec.devices.requests[0].exactly.tolerations[0].key: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "x": must be empty for operator `Exists`, spec.devices.requests[0].exactly.tolerations[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "None", spec.devices.requests[1].firstAvailable[0].count: Invalid value: 2: must not be specified when allocationMode is 'All', spec.devices.requests[1].firstAvailable[1].count: Invalid value: -1: must be greater than zero, spec.devices.requests[1].firstAvailable[1]: Duplicate value: "s", spec.devices.requests[1]: Duplicate value: "a", spec.devices.constraints[0].requests[0]: Invalid value: "z": must be the name of a request in the claim or the name of a request and a subrequest separated by '/', spec.devices.constraints[0].requests[1]: Invalid value: "a/b/c": must be the name of a request in the claim or the name of a request and a subrequest separated by '/', spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set, spec.devices.constraints[1].matchAttribute: Invalid value: "model": a fully qualified name must be a domain and a name separated by a slash, spec.devices.config[0].requests[1]: Duplicate value: "a", spec.devices.config[0].opaque: Required value, spec.devices.config[1].opaque.driver: Required value, spec.devices.config[1].opaque.driver: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.devices.config[1].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object]"#]],
    )
    .await;
    let many: Vec<Value> =
        (0..33).map(|at| json!({"name": format!("r{at}"), "exactly": {"deviceClassName": "x"}})).collect();
    check(json!({"requests": many}), expect![[r#"422 Invalid: ResourceClaim.resource.k8s.io "c" is invalid: spec.devices.requests: Too many: 33: must have at most 32 items"#]]).await;
    change_refused(&cluster, path, "c", json!({"spec": {"devices": {"requests": []}}}), expect![[r#"422 Invalid: ResourceClaim.resource.k8s.io "c" is invalid: spec: Invalid value: {"devices":{}}: field is immutable"#]]).await;
}

#[tokio::test]
async fn what_a_claim_was_given() {
    let cluster = Cluster::new().await;
    let path = "resource/resourceclaims";
    made(&cluster, path, claim(json!({"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}))).await;
    let check =
        async |status: Value, expected| status_refused(&cluster, path, "c", json!({"status": status}), expected).await;
    check(json!({"reservedFor": [{"resource": "pods", "name": "p", "uid": "1"}, {}]}), expect![[r#"422 Invalid: ResourceClaim.resource.k8s.io "c" is invalid: [status.reservedFor[1].resource: Required value, status.reservedFor[1].name: Required value, status.reservedFor[1].uid: Required value, status.reservedFor: Forbidden: may not be specified when `allocated` is not set]"#]]).await;
    check(
        json!({"allocation": {"devices": {"results": [{"request": "tpu", "driver": "d", "pool": "", "device": "D", "shareID": "x"}], "config": [{"source": "FromSky"}]},
            "nodeSelector": {"nodeSelectorTerms": []}},
            "devices": [{"driver": "d", "pool": "p", "device": "x", "networkData": {"ips": ["10.0.0.1", "10.0.0.1/24"]}}]}),
        expect![[r#"422 Invalid: ResourceClaim.resource.k8s.io "c" is invalid: [status.devices[0]: Invalid value: "d/p/x": must be an allocated device in the claim, status.devices[0].networkData.ips[0]: Invalid value: "10.0.0.1": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64), status.allocation.devices.results[0].request: Invalid value: "tpu": must be the name of a request in the claim or the name of a request and a subrequest separated by '/', status.allocation.devices.results[0].pool: Required value, status.allocation.devices.results[0].device: Invalid value: "D": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), status.allocation.devices.results[0].shareID: Invalid value: "x": uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters, status.allocation.devices.config[0].source: Unsupported value: "FromSky": supported values: "FromClaim", "FromClass", status.allocation.devices.config[0].opaque: Required value, status.allocation.nodeSelector.nodeSelectorTerms: Required value: must have at least one node selector term]"#]],
    )
    .await;
    let result = json!({"request": "gpu", "driver": "d", "pool": "p", "device": "x"});
    let given = json!({"status": {"allocation": {"devices": {"results": [result]}}, "devices": [{"driver": "d", "pool": "p", "device": "x"}]}});
    let status = place(&cluster, path, "c").subresource("status");
    cluster.merge(&status, given).await.unwrap();
    check(json!({"allocation": {"devices": {"results": []}}}), expect![[r#"422 Invalid: ResourceClaim.resource.k8s.io "c" is invalid: status.allocation: Invalid value: {"devices":{}}: field is immutable"#]]).await;
    let back = cluster.merge(&status, json!({"status": {"allocation": null}})).await.unwrap();
    assert_eq!(back["status"]["devices"], Value::Null, "what is said of a device goes with it");
}

#[tokio::test]
async fn templates_and_classes() {
    let cluster = Cluster::new().await;
    let template = |devices: Value| json!({"metadata": {"name": "t"}, "spec": {"metadata": {"labels": {"a": "-"}}, "spec": {"devices": devices}}});
    let path = "resource/resourceclaimtemplates";
    refused(&cluster, path, template(json!({"requests": [{"name": "a"}]})), expect![[r#"422 Invalid: ResourceClaimTemplate.resource.k8s.io "t" is invalid: [spec.metadata.labels: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'), spec.spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required]"#]]).await;
    let class = |spec: Value| json!({"metadata": {"name": "k"}, "spec": spec});
    let path = "resource/deviceclasses";
    refused(&cluster, path, class(json!({"selectors": [{"cel": {"expression": "x".repeat(10_241)}}], "config": [{}], "extendedResourceName": "cpu"})), expect![[r#"422 Invalid: DeviceClass.resource.k8s.io "k" is invalid: [spec.selectors[0].cel.expression: Too long: may not be more than 10240 bytes, spec.config[0].opaque: Required value, spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name]"#]]).await;
    let made = made(&cluster, path, class(json!({"extendedResourceName": "example.com/gpu"}))).await;
    assert_eq!(made["metadata"]["generation"], 1);
}

fn slice(spec: Value) -> Value {
    let mut whole =
        json!({"driver": "d.io", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}, "nodeName": "n"});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"metadata": {"name": "s"}, "spec": whole})
}

#[tokio::test]
async fn slices() {
    let cluster = Cluster::new().await;
    let path = "resource/resourceslices";
    made(&cluster, path, slice(json!({"devices": [{"name": "x", "attributes": {"model": {"string": "a"}, "d.io/version": {"version": "1.2.3-a+b"}}, "capacity": {"memory": {"value": "1Gi"}}}]}))).await;
    let check = async |spec: Value, expected| refused(&cluster, path, slice(spec), expected).await;
    check(json!({"driver": "", "pool": {"name": "A//", "generation": -1, "resourceSliceCount": 0}, "nodeName": "", "allNodes": false}), expect![[r#"422 Invalid: ResourceSlice.resource.k8s.io "s" is invalid: [spec.driver: Required value, spec.driver: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.pool.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.pool.name: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero, spec.pool.generation: Invalid value: -1: must be greater than or equal to zero, spec.nodeName: Invalid value: "": must be either unset or set to a non-empty string, spec.allNodes: Invalid value: false: must be either unset or set to true, spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required]"#]]).await;
    check(json!({"allNodes": true, "nodeSelector": {"nodeSelectorTerms": [{}, {}]}}), expect![[r#"422 Invalid: ResourceSlice.resource.k8s.io "s" is invalid: [spec.nodeSelector.nodeSelectorTerms: Invalid value: [{},{}]: must have exactly one node selector term, spec: Invalid value: "{`nodeName`, `nodeSelector`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set]"#]]).await;
    check(
        json!({"devices": [{"name": "X", "nodeName": "n", "attributes": {"1a": {}, "a/b/c": {"int": 1, "bool": true}, "d/": {"version": "1.2"}, "l": {"strings": []}},
                "taints": [{"key": "", "effect": "Bad"}], "capacity": {"m": {"value": "1", "requestPolicy": {}}},
                "consumesCounters": [{"counterSet": ""}], "bindingConditions": ["a", "a"], "bindingFailureConditions": ["a"]}, {"name": "y"}, {"name": "y"}]}),
        expect![[r#"422 Invalid: ResourceSlice.resource.k8s.io "s" is invalid: [spec.devices[0].name: Invalid value: "X": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), spec.devices[0].attributes: Invalid value: "1a": a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*'), spec.devices[0].attributes[1a]: Invalid value: "": exactly one value must be specified, spec.devices[0].attributes: Invalid value: "a/b/c": must not contain more than one slash, spec.devices[0].attributes[a/b/c]: Invalid value: {"bool":true,"int":1}: exactly one value must be specified, spec.devices[0].attributes: Invalid value: "": the name must not be empty, spec.devices[0].attributes[d/].version: Invalid value: "1.2": must be a string compatible with semver.org spec 2.0.0, spec.devices[0].attributes[l].strings: Invalid value: []: must not be empty if specified, spec.devices[0].capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true, spec.devices[0].taints[0].key: Invalid value: "": name part must be non-empty, spec.devices[0].taints[0].key: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), spec.devices[0].taints[0].effect: Unsupported value: "Bad": supported values: "NoExecute", "NoSchedule", "None", spec.devices[0].consumesCounters[0].counterSet: Required value, spec.devices[0].consumesCounters[0].counters: Required value, spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec, spec.devices[0].bindingConditions[1]: Duplicate value: "a", spec.devices[0].bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not overlap with bindingConditions, spec.devices[2]: Duplicate value: "y"]"#]],
    )
    .await;
    let policy = |policy: Value| json!({"devices": [{"name": "x", "allowMultipleAllocations": true, "capacity": {"m": {"value": "10Gi", "requestPolicy": policy}}}]});
    check(policy(json!({"validValues": ["2Gi", "1Gi", "20Gi"]})), expect![[r#"422 Invalid: ResourceSlice.resource.k8s.io "s" is invalid: spec.devices[0].capacity[m].requestPolicy.default: Required value: required when validValues is defined"#]]).await;
    check(policy(json!({"default": "3Gi", "validValues": ["2Gi", "1Gi", "20Gi"]})), expect![[r#"422 Invalid: ResourceSlice.resource.k8s.io "s" is invalid: [spec.devices[0].capacity[m].requestPolicy.validValues[1]: Invalid value: "1Gi": values must be sorted in ascending order, spec.devices[0].capacity[m].requestPolicy.validValues[2]: Invalid value: "20Gi": option is larger than capacity value: 10Gi, spec.devices[0].capacity[m].requestPolicy.validValues: Invalid value: "3Gi": default value is not valid according to the requestPolicy]"#]]).await;
    check(policy(json!({"default": "3Gi", "validRange": {"min": "4Gi", "max": "3Gi", "step": "2Gi"}})), expect![[r#"422 Invalid: ResourceSlice.resource.k8s.io "s" is invalid: [spec.devices[0].capacity[m].requestPolicy.validRange.default: Invalid value: "3Gi": default is less than min: 4Gi, spec.devices[0].capacity[m].requestPolicy.validRange.max: Invalid value: "4Gi": min is larger than max: 3Gi, spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: "3Gi": value is not a multiple of a given step (2Gi) from (4Gi)]"#]]).await;
    change_refused(&cluster, path, "s", json!({"spec": {"driver": "e.io", "nodeName": "m", "pool": {"name": "q"}}}), expect![[r#"422 Invalid: ResourceSlice.resource.k8s.io "s" is invalid: [spec.pool.name: Invalid value: "q": field is immutable, spec.driver: Invalid value: "e.io": field is immutable, spec.nodeName: Invalid value: "m": field is immutable]"#]]).await;
    let at = place(&cluster, path, "");
    let found = cluster.list(&at, &fields("spec.nodeName=n,spec.driver=d.io")).await.unwrap();
    assert_eq!(names(&found.objects), ["s"]);
    expect![[r#"spec.driver: driver names should be lowercase; "D.io" contains uppercase characters"#]]
        .assert_eq(&at.resource.strategy().warnings(&slice(json!({"driver": "D.io"}))).join("\n"));
}

#[tokio::test]
async fn tables() {
    let states = [
        json!({"metadata": {"name": "new"}}),
        json!({"metadata": {"name": "used"}, "status": {"allocation": {}, "reservedFor": [{}]}}),
        json!({"metadata": {"name": "going", "deletionTimestamp": "2026-01-02T03:04:05Z"}}),
    ];
    check(
        "resource/resourceclaims",
        &states,
        expect![[r#"
        Name | State | Age
        new | pending | 10m
        used | allocated,reserved | 10m
        going | deleted | 10m"#]],
    )
    .await;
    check(
        "resource/resourceslices",
        &[slice(json!({}))],
        expect![[r#"
        Name | Node | Driver | Pool | Age
        s | n | d.io | p | 10m"#]],
    )
    .await;
    check(
        "resource/deviceclasses",
        &[json!({"metadata": {"name": "k"}})],
        expect![[r#"
        Name | Age
        k | 10m"#]],
    )
    .await;
}

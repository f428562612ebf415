//! Refusals that kubectl users meet, word for word.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::cluster::{Cluster, deployment, pod, refusal};

pub(crate) async fn refused(cluster: &Cluster, path: &str, object: Value, expected: Expect) {
    let namespace = if cluster.at(path, "", "").resource.namespaced { "default" } else { "" };
    expected.assert_eq(&refusal(cluster.create(&cluster.at(path, namespace, ""), object).await));
}

fn with_container(member: &str, value: Value) -> Value {
    let mut pod = pod("p");
    pod["spec"]["containers"][0][member] = value;
    pod
}

fn with_spec(member: &str, value: Value) -> Value {
    let mut pod = pod("p");
    pod["spec"][member] = value;
    pod
}

#[tokio::test]
async fn pods() {
    let cluster = Cluster::new().await;
    let check = async |object, expected| refused(&cluster, "pods", object, expected).await;
    check(
        json!({"metadata": {"name": "p"}, "spec": {}}),
        expect![[r#"422 Invalid: Pod "p" is invalid: spec.containers: Required value"#]],
    )
    .await;
    check(
        with_spec("containers", json!([{"name": "Main"}, {"name": "a", "image": " x"}, {"name": "a", "image": "x"}])),
        expect![[r#"422 Invalid: Pod "p" is invalid: [spec.containers[0].name: Invalid value: "Main": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), spec.containers[0].image: Required value, spec.containers[1].image: Invalid value: " x": must not have leading or trailing whitespace, spec.containers[2].name: Duplicate value: "a"]"#]],
    )
    .await;
    check(
        with_container("ports", json!([{"containerPort": 70000}, {"containerPort": 80, "name": "-"}])),
        expect![[r#"422 Invalid: Pod "p" is invalid: [spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive, spec.containers[0].ports[1].name: Invalid value: "-": must contain at least one letter (a-z), spec.containers[0].ports[1].name: Invalid value: "-": must not begin or end with a hyphen]"#]],
    )
    .await;
    check(
        with_container("env", json!([{"name": "A=B"}, {"name": "C", "valueFrom": {}}, {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "spec.color"}}}])),
        expect![[r#"422 Invalid: Pod "p" is invalid: [spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than '=', spec.containers[0].env[1].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`, spec.containers[0].env[2].valueFrom.fieldRef.fieldPath: Invalid value: "spec.color": error converting fieldPath: field label not supported: spec.color]"#]],
    )
    .await;
    check(
        with_container("volumeMounts", json!([{"name": "gone", "mountPath": "/a"}])),
        expect![[r#"422 Invalid: Pod "p" is invalid: spec.containers[0].volumeMounts[0].name: Not found: "gone""#]],
    )
    .await;
    check(
        with_container("resources", json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})),
        expect![[r#"422 Invalid: Pod "p" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1"#]],
    )
    .await;
    check(
        with_container("livenessProbe", json!({"httpGet": {"path": "/", "port": 0}, "tcpSocket": {"port": 1}})),
        expect![[r#"422 Invalid: Pod "p" is invalid: [spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type, spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive]"#]],
    )
    .await;
    check(
        with_spec("restartPolicy", json!("Sometimes")),
        expect![[r#"422 Invalid: Pod "p" is invalid: spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never""#]],
    )
    .await;
    check(
        with_spec("volumes", json!([{"name": "a"}, {"name": "b", "emptyDir": {}, "hostPath": {"path": "/"}}, {"name": "c", "secret": {}}])),
        expect![[r#"422 Invalid: Pod "p" is invalid: [spec.volumes[1].hostPath: Forbidden: may not specify more than 1 volume type, spec.volumes[2].secret.secretName: Required value]"#]],
    )
    .await;
    check(
        json!({"metadata": {"name": "P_", "labels": {"a b": "c", "d": "-"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}),
        expect![[r#"422 Invalid: Pod "P_" is invalid: [metadata.name: Invalid value: "P_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), metadata.labels: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')]"#]],
    )
    .await;
}

#[tokio::test]
async fn a_pods_spec_is_fixed_but_for_a_few_fields() {
    let cluster = Cluster::new().await;
    cluster.pod("p", "n1").await;
    let place = cluster.at("pods", "default", "p");
    let image = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "hello:2"}]);
    let changed = cluster.patch(&place, sampan_registry::PatchKind::Json, image).await.unwrap();
    assert_eq!(changed["metadata"]["generation"], 2);
    let tolerations = changed["spec"].get("tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
    let more: Vec<Value> = tolerations.into_iter().chain([json!({"key": "a", "operator": "Exists"})]).collect();
    cluster.merge(&place, json!({"spec": {"tolerations": more, "activeDeadlineSeconds": 100}})).await.unwrap();
    expect![[r#"422 Invalid: Pod "p" is invalid: [spec.activeDeadlineSeconds: Invalid value: 200: must be less than or equal to previous value, spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds]"#]]
        .assert_eq(&refusal(cluster.merge(&place, json!({"spec": {"tolerations": [], "activeDeadlineSeconds": 200}})).await));
    expect![[r#"422 Invalid: Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"#]]
        .assert_eq(&refusal(cluster.merge(&place, json!({"spec": {"nodeName": "n2"}})).await));
    expect![[
        r#"422 Invalid: Pod "p" is invalid: spec.containers: Forbidden: pod updates may not add or remove containers"#
    ]]
    .assert_eq(&refusal(cluster.merge(&place, json!({"spec": {"containers": []}})).await));
}

#[tokio::test]
async fn workloads() {
    let cluster = Cluster::new().await;
    let mut mismatched = deployment("web");
    mismatched["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    refused(
        &cluster,
        "apps/deployments",
        mismatched,
        expect![[r#"422 Invalid: Deployment.apps "web" is invalid: spec.template.metadata.labels: Invalid value: {"app":"other"}: `selector` does not match template `labels`"#]],
    )
    .await;
    let mut odd = deployment("web");
    odd["spec"]["replicas"] = json!(-1);
    odd["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    odd["spec"]["strategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}});
    refused(
        &cluster,
        "apps/deployments",
        odd,
        expect![[r#"422 Invalid: Deployment.apps "web" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always", spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0]"#]],
    )
    .await;
    cluster.create(&cluster.at("apps/deployments", "default", ""), deployment("web")).await.unwrap();
    let mut moved = json!({"spec": {"selector": {"matchLabels": {"tier": "x"}}}});
    moved["spec"]["template"] = json!({"metadata": {"labels": {"tier": "x"}}});
    expect![[r#"422 Invalid: Deployment.apps "web" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"x"}}: field is immutable"#]]
        .assert_eq(&refusal(cluster.merge(&cluster.at("apps/deployments", "default", "web"), moved).await));
    let job = json!({"metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    refused(
        &cluster,
        "batch/jobs",
        job.clone(),
        expect![[r#"422 Invalid: Job.batch "j" is invalid: spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never""#]],
    )
    .await;
    let mut job = job;
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never".into();
    let job = cluster.create(&cluster.at("batch/jobs", "default", ""), job).await.unwrap();
    let uid = &job["metadata"]["uid"];
    assert_eq!(job["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
    assert_eq!(job["spec"]["template"]["metadata"]["labels"]["job-name"], "j");
}

#[tokio::test]
async fn configuration() {
    let cluster = Cluster::new().await;
    refused(
        &cluster,
        "configmaps",
        json!({"metadata": {"name": "c"}, "data": {"a/b": "1", "k": "2"}, "binaryData": {"k": "AA=="}}),
        expect![[r#"422 Invalid: ConfigMap "c" is invalid: [data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+'), data[k]: Invalid value: "k": duplicate of key present in data]"#]],
    )
    .await;
    let big = json!({"metadata": {"name": "c"}, "data": {"k": "x".repeat(1024 * 1024 + 1)}});
    refused(
        &cluster,
        "configmaps",
        big,
        expect![[r#"422 Invalid: ConfigMap "c" is invalid: <nil>: Too long: may not be more than 1048576 bytes"#]],
    )
    .await;
    let noted = json!({"metadata": {"name": "c", "annotations": {"note": "x".repeat(300_000)}}});
    refused(
        &cluster,
        "configmaps",
        noted,
        expect![[r#"422 Invalid: ConfigMap "c" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes"#]],
    )
    .await;
    refused(
        &cluster,
        "secrets",
        json!({"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "stringData": {"tls.crt": "x"}}),
        expect![[r#"422 Invalid: Secret "s" is invalid: data[tls.key]: Required value"#]],
    )
    .await;
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"password": "open"}, "immutable": true});
    let secret = cluster.create(&cluster.at("secrets", "default", ""), secret).await.unwrap();
    assert_eq!((secret["data"]["password"].as_str(), secret.get("stringData")), (Some("b3Blbg=="), None));
    expect![[r#"422 Invalid: Secret "s" is invalid: data: Forbidden: field is immutable when `immutable` is set"#]]
        .assert_eq(&refusal(
            cluster.merge(&cluster.at("secrets", "default", "s"), json!({"data": {"password": "eA=="}})).await,
        ));
}

#[tokio::test]
async fn others() {
    let cluster = Cluster::new().await;
    let role = json!({"metadata": {"name": "r"}, "rules": [{"verbs": [], "nonResourceURLs": ["/"]}]});
    refused(
        &cluster,
        "rbac/roles",
        role,
        expect![[r#"422 Invalid: Role.rbac.authorization.k8s.io "r" is invalid: [rules[0].verbs: Required value: verbs must contain at least one value, rules[0].nonResourceURLs: Invalid value: ["/"]: namespaced rules cannot apply to non-resource URLs]"#]],
    )
    .await;
    let binding = json!({"metadata": {"name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "default"}]});
    refused(
        &cluster,
        "rbac/clusterrolebindings",
        binding,
        expect![[r#"422 Invalid: ClusterRoleBinding.rbac.authorization.k8s.io "b" is invalid: [roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole", subjects[0].namespace: Required value]"#]],
    )
    .await;
    refused(
        &cluster,
        "services",
        json!({"metadata": {"name": "1st"}, "spec": {"ports": [{"port": 80}, {"port": 80, "name": "b"}]}}),
        expect![[r#"422 Invalid: Service "1st" is invalid: [metadata.name: Invalid value: "1st": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?'), spec.ports[0].name: Required value, spec.ports[1]: Duplicate value: {"port":80,"protocol":"TCP"}]"#]],
    )
    .await;
    refused(
        &cluster,
        "discovery/endpointslices",
        json!({"metadata": {"name": "e"}, "addressType": "IPv4", "endpoints": [{"addresses": ["::1"]}, {"addresses": []}]}),
        expect![[r#"422 Invalid: EndpointSlice.discovery.k8s.io "e" is invalid: [endpoints[0].addresses[0]: Invalid value: "::1": must be a valid IPv4 address, endpoints[1].addresses: Required value: must contain at least 1 address]"#]],
    )
    .await;
    refused(
        &cluster,
        "scheduling/priorityclasses",
        json!({"metadata": {"name": "high"}, "value": 2_000_000_000}),
        expect![[r#"422 Invalid: PriorityClass.scheduling.k8s.io "high" is invalid: value: Forbidden: maximum allowed value of a user defined priority is 1000000000"#]],
    )
    .await;
}

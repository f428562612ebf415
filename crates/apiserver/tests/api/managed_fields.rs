//! Who is said to own what was written.

use expect_test::{Expect, expect};
use sampan_api::request::User;
use serde_json::json;

use crate::apply::owners;
use crate::harness::{Cluster, admin};

async fn check(cluster: &Cluster, user: &User, name: &str, query: &str, agent: &str, expected: Expect) {
    let agent = if agent.is_empty() { String::new() } else { format!("\nUser-Agent: {agent}") };
    let body = json!({"metadata": {"name": name}, "data": {"k": "v"}});
    let reply =
        cluster.ask_as(user, &format!("POST /api/v1/namespaces/default/configmaps{query}{agent}\n\n{body}")).await;
    let found = if reply.code == 201 { owners(&reply.json()) } else { reply.failure() };
    expected.assert_eq(&found);
}

#[tokio::test]
async fn a_manager_is_called_as_it_says_or_as_its_program_is() {
    let cluster = Cluster::start().await;
    let admin = admin();
    check(
        &cluster,
        &admin,
        "a",
        "?fieldManager=me",
        "curl/8",
        expect![[r#"me Update - {"f:data":{".":{},"f:k":{}}}"#]],
    )
    .await;
    check(
        &cluster,
        &admin,
        "b",
        "",
        "kubectl/v1.36.2 (linux/amd64)",
        expect![[r#"kubectl Update - {"f:data":{".":{},"f:k":{}}}"#]],
    )
    .await;
    let controller = User::new("system:serviceaccount:kube-system:job-controller", ["system:masters"]);
    check(&cluster, &controller, "c", "", "", expect![[r#"job-controller Update - {"f:data":{".":{},"f:k":{}}}"#]])
        .await;
    let node = User::new("system:node:n1", ["system:nodes", "system:masters"]);
    check(&cluster, &node, "d", "", "", expect![[r#"kubelet Update - {"f:data":{".":{},"f:k":{}}}"#]]).await;
    let long = "x".repeat(200);
    check(&cluster, &admin, "e", &format!("?fieldManager={long}"), "", expect![[r#"422 Invalid CreateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes"#]]).await;
    check(&cluster, &admin, "e", "?fieldManager=a%07b", "", expect![[r#"422 Invalid CreateOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\u0007b": invalid character U+0007 (at position 1)"#]]).await;
}

#[tokio::test]
async fn metadata_alone_has_the_managers_too() {
    let cluster = Cluster::start().await;
    cluster
        .create(
            "/api/v1/namespaces/default/configmaps?fieldManager=me",
            json!({"metadata": {"name": "a"}, "data": {"k": "v"}}),
        )
        .await;
    let media = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let partial = cluster.ask(&format!("GET /api/v1/namespaces/default/configmaps/a\nAccept: {media}")).await.json();
    assert_eq!(owners(&partial), r#"me Update - {"f:data":{".":{},"f:k":{}}}"#, "{partial}");
}

#[tokio::test]
async fn apply_is_announced() {
    let cluster = Cluster::start().await;
    let document = cluster.ask("GET /openapi/v3/apis/apps/v1").await.json();
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert!(patch["requestBody"]["content"].get("application/apply-patch+yaml").is_some(), "{patch}");
    let ports = &document["components"]["schemas"]["io.k8s.api.core.v1.Container"]["properties"]["ports"];
    assert_eq!(
        (&ports["x-kubernetes-list-type"], &ports["x-kubernetes-list-map-keys"]),
        (&json!("map"), &json!(["containerPort", "protocol"]))
    );
}

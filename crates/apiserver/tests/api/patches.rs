//! Patches by content type.

use expect_test::{Expect, expect};
use serde_json::json;

use crate::harness::Cluster;

const PATH: &str = "/api/v1/namespaces/default/configmaps/a";

async fn check(cluster: &Cluster, media: &str, patch: &str, expected: Expect) {
    let reply = cluster.ask(&format!("PATCH {PATH}\nContent-Type: application/{media}\n\n{patch}")).await;
    let found = if reply.code == 200 { format!("200 {}", reply.json()["data"]) } else { reply.failure() };
    expected.assert_eq(&found);
}

#[tokio::test]
async fn every_kind_of_patch_does_what_it_says() {
    let cluster = Cluster::start().await;
    let object = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
    cluster.create("/api/v1/namespaces/default/configmaps", object).await;
    check(&cluster, "merge-patch+json", r#"{"data":{"l":"w"}}"#, expect![[r#"200 {"k":"v","l":"w"}"#]]).await;
    check(&cluster, "strategic-merge-patch+json", r#"{"data":{"k":null}}"#, expect![[r#"200 {"l":"w"}"#]]).await;
    check(
        &cluster,
        "json-patch+json",
        r#"[{"op":"add","path":"/data/m","value":"x"}]"#,
        expect![[r#"200 {"l":"w","m":"x"}"#]],
    )
    .await;
    check(
        &cluster,
        "json-patch+json",
        r#"[{"op":"test","path":"/data/m","value":"y"}]"#,
        expect!["422 Invalid the server rejected our request due to an error in our request: value did not match"],
    )
    .await;
    check(
        &cluster,
        "merge-patch+json",
        "[]",
        expect!["400 BadRequest error decoding patch: a JSON patch is a list, any other patch an object"],
    )
    .await;
    check(
        &cluster,
        "merge-patch+json",
        "nonsense",
        expect!["400 BadRequest error decoding patch: json parse error: expected ident at line 1 column 2"],
    )
    .await;
    check(&cluster, "merge-patch+json", r#"{"data":"text"}"#, expect![[r#"422 Invalid  "" is invalid: patch: Invalid value: "{\"data\":\"text\"}": json: cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string"#]]).await;
    check(&cluster, "apply-patch+cbor", "data: {}", expect!["415 UnsupportedMediaType the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml"]).await;
    check(&cluster, "json", "{}", expect!["415 UnsupportedMediaType the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml"]).await;
}

#[tokio::test]
async fn a_deployment_is_scaled_through_its_subresource() {
    let cluster = Cluster::start().await;
    let path = "/apis/apps/v1/namespaces/default/deployments";
    let container = json!({"name": "c", "image": "i"});
    let deployment = json!({"metadata": {"name": "d"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}},
    }});
    cluster.create(path, deployment).await;
    let request = format!(
        "PATCH {path}/d/scale\nContent-Type: application/merge-patch+json\n\n{}",
        json!({"spec": {"replicas": 5}})
    );
    let scaled = cluster.ask(&request).await;
    assert_eq!(
        (scaled.code, &scaled.json()["kind"], &scaled.json()["spec"]["replicas"]),
        (200, &json!("Scale"), &json!(5))
    );
    assert_eq!(cluster.ask(&format!("GET {path}/d")).await.json()["spec"]["replicas"], 5);
    let image = r#"{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"c"}],"containers":[{"name":"c","image":"j"}]}}}}"#;
    let set =
        cluster.ask(&format!("PATCH {path}/d\nContent-Type: application/strategic-merge-patch+json\n\n{image}")).await;
    assert_eq!(set.json()["spec"]["template"]["spec"]["containers"][0]["image"], "j", "{}", set.text());
}

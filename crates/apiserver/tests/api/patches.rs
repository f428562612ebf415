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
    check(&cluster, "merge-patch+json", r#"{"data":{"l":"w"}}"#, expect![""]).await;
    check(&cluster, "strategic-merge-patch+json", r#"{"data":{"k":null}}"#, expect![""]).await;
    check(&cluster, "json-patch+json", r#"[{"op":"add","path":"/data/m","value":"x"}]"#, expect![""]).await;
    check(&cluster, "json-patch+json", r#"[{"op":"test","path":"/data/m","value":"y"}]"#, expect![""]).await;
    check(&cluster, "merge-patch+json", "[]", expect![""]).await;
    check(&cluster, "merge-patch+json", "nonsense", expect![""]).await;
    check(&cluster, "merge-patch+json", r#"{"data":"text"}"#, expect![""]).await;
    check(&cluster, "apply-patch+yaml", "data: {}", expect![""]).await;
    check(&cluster, "json", "{}", expect![""]).await;
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
    let request = format!("PATCH {path}/d/scale\nContent-Type: application/merge-patch+json\n\n{}", json!({"spec": {"replicas": 5}}));
    let scaled = cluster.ask(&request).await;
    assert_eq!((scaled.code, &scaled.json()["kind"], &scaled.json()["spec"]["replicas"]), (200, &json!("Scale"), &json!(5)));
    assert_eq!(cluster.ask(&format!("GET {path}/d")).await.json()["spec"]["replicas"], 5);
    let image = r#"{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"c"}],"containers":[{"name":"c","image":"j"}]}}}}"#;
    let set = cluster.ask(&format!("PATCH {path}/d\nContent-Type: application/strategic-merge-patch+json\n\n{image}")).await;
    assert_eq!(set.json()["spec"]["template"]["spec"]["containers"][0]["image"], "j", "{}", set.text());
}

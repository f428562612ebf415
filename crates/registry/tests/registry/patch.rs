use expect_test::expect;
use sampan_registry::{FieldValidation, PatchKind};
use serde_json::json;

use crate::cluster::{Cluster, deployment, refusal, version};

#[tokio::test]
async fn three_kinds_of_patch_say_the_same_thing() {
    let cluster = Cluster::new().await;
    cluster.create(&cluster.at("apps/deployments", "default", ""), deployment("web")).await.unwrap();
    let place = cluster.at("apps/deployments", "default", "web");
    let images = |object: &serde_json::Value| object["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    let strategic = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "hello:2"}]}}}});
    let patched = cluster.patch(&place, PatchKind::Strategic, strategic).await.unwrap();
    assert_eq!(images(&patched), "hello:2");
    let json = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "hello:3"}]);
    let patched = cluster.patch(&place, PatchKind::Json, json).await.unwrap();
    assert_eq!(images(&patched), "hello:3");
    let patched = cluster.merge(&place, json!({"metadata": {"annotations": {"a": "b"}}})).await.unwrap();
    assert_eq!(patched["metadata"]["annotations"], json!({"a": "b"}));
    assert_eq!(patched["metadata"]["generation"], 4);
}

#[tokio::test]
async fn a_patch_may_say_which_version_it_is_for() {
    let cluster = Cluster::new().await;
    let first = cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    let patch = json!({"metadata": {"resourceVersion": version(&first)}, "data": {"k": "1"}});
    cluster.merge(&place, patch.clone()).await.unwrap();
    assert_eq!(cluster.merge(&place, patch).await.unwrap_err().code, 409);
    let other = json!({"metadata": {"uid": "other"}});
    assert_eq!(cluster.merge(&place, other).await.unwrap_err().code, 409);
}

#[tokio::test]
async fn bad_patches_are_refused_clearly() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    let body = async |kind, body: &[u8]| {
        refusal(cluster.registry.patch(&place.context(), &place.resource, kind, body).await.map(|_| ()))
    };
    assert!(body(PatchKind::Merge, b"{").await.starts_with("400 BadRequest: error decoding patch: "));
    assert!(body(PatchKind::Merge, b"[]").await.starts_with("400 BadRequest: "));
    assert!(body(PatchKind::Json, b"{}").await.starts_with("400 BadRequest: "));
    let test = br#"[{"op": "test", "path": "/data/key", "value": "no"}]"#;
    assert!(body(PatchKind::Json, test).await.starts_with("422 Invalid: the server rejected our request"));
    assert!(body(PatchKind::Merge, br#"{"data": 3}"#).await.starts_with("422 Invalid: "));
    assert!(body(PatchKind::Merge, br#"{"kind": "Secret"}"#).await.starts_with("400 BadRequest: "));
    assert!(body(PatchKind::Json, br#"[{"op": "replace", "path": "", "value": 1}]"#).await.starts_with('4'));
    let many = format!("[{}]", vec![r#"{"op":"remove","path":"/data"}"#; 10_001].join(","));
    assert!(body(PatchKind::Json, many.as_bytes()).await.starts_with("413 "));
    let absent = cluster.merge(&cluster.at("configmaps", "default", "b"), json!({})).await;
    expect![[r#"404 NotFound: configmaps "b" not found"#]].assert_eq(&refusal(absent));
}

#[tokio::test]
async fn unknown_fields_are_treated_as_the_client_asked() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    let body = br#"{"data": {"k": "v"}, "colour": "red"}"#;
    let strict = place.context().field_validation(FieldValidation::Strict);
    let refused = cluster.registry.patch(&strict, &place.resource, PatchKind::Merge, body).await.unwrap_err();
    assert_eq!(refused.code, 422);
    assert!(refused.message.contains(r#"strict decoding error: unknown field "colour""#), "{refused}");
    let warned = place.context();
    let patched = cluster.registry.patch(&warned, &place.resource, PatchKind::Merge, body).await.unwrap();
    assert_eq!(warned.take_warnings(), [r#"unknown field "colour""#]);
    assert!(patched.object.value().get("colour").is_none());
}

#[tokio::test]
async fn a_json_patch_adds_to_a_status_of_which_nothing_is_known() {
    let cluster = Cluster::new().await;
    let claim = json!({"metadata": {"name": "c"}, "spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "d"}}]}}});
    cluster.create(&cluster.at("resource/resourceclaims", "default", ""), claim).await.unwrap();
    let status = cluster.at("resource/resourceclaims", "default", "c").subresource("status");
    let add = json!([{"op": "add", "path": "/status/allocation", "value": {}}]);
    let patched = cluster.patch(&status, PatchKind::Json, add).await.unwrap();
    assert!(patched["status"]["allocation"].is_object(), "{patched}");
}

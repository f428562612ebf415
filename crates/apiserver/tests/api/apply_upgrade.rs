//! From client-side apply to server-side apply.

use expect_test::expect;
use serde_json::{Value, json};

use crate::apply::{DEPLOYMENTS, owners, web};
use crate::harness::Cluster;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A deployment as `kubectl apply` creates it.
async fn client_side(cluster: &Cluster, replicas: i64) {
    let config = web(json!({"replicas": replicas}));
    let mut object = config.clone();
    object["metadata"]["annotations"] = json!({ ANNOTATION: format!("{config}\n") });
    let query = "?fieldManager=kubectl-client-side-apply";
    cluster.create(&format!("{DEPLOYMENTS}{query}"), object).await;
}

fn annotation(object: &Value) -> Value {
    serde_json::from_str(object["metadata"]["annotations"][ANNOTATION].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn kubectl_takes_over_what_client_side_apply_left_and_nobody_changed() {
    let cluster = Cluster::start().await;
    client_side(&cluster, 3).await;
    let path = format!("{DEPLOYMENTS}/web");
    let refused = cluster.apply(&path, "other", &web(json!({"replicas": 5}))).await;
    expect![[r#"409 Conflict Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas"#]]
        .assert_eq(&refused.failure());
    let config = web(json!({"replicas": 5}));
    let applied = cluster.apply(&path, "kubectl", &config).await;
    assert_eq!((applied.code, &applied.json()["spec"]["replicas"]), (200, &json!(5)), "{}", applied.text());
    assert_eq!(annotation(&applied.json()), config, "the annotation is kept true");
    let owners = owners(&applied.json());
    let theirs = owners.lines().find(|line| line.starts_with("kubectl-client-side-apply")).unwrap();
    assert!(!theirs.contains("f:replicas"), "{owners}");
}

#[tokio::test]
async fn kubectl_does_not_take_what_others_have_changed_since() {
    let cluster = Cluster::start().await;
    client_side(&cluster, 3).await;
    let path = format!("{DEPLOYMENTS}/web");
    let scale = "{\"spec\":{\"replicas\":4}}";
    cluster
        .ask(&format!("PATCH {path}?fieldManager=scaler\nContent-Type: application/merge-patch+json\n\n{scale}"))
        .await;
    let refused = cluster.apply(&path, "kubectl", &web(json!({"replicas": 5}))).await;
    expect![[r#"409 Conflict Apply failed with 1 conflict: conflict with "scaler" using apps/v1: .spec.replicas"#]]
        .assert_eq(&refused.failure());
}

#[tokio::test]
async fn what_was_there_before_anybody_was_tracked_is_owned_as_such() {
    let cluster = Cluster::start().await;
    client_side(&cluster, 3).await;
    let path = format!("{DEPLOYMENTS}/web");
    let reset = "{\"metadata\":{\"managedFields\":[{}]}}";
    let forgotten = cluster.ask(&format!("PATCH {path}\nContent-Type: application/merge-patch+json\n\n{reset}")).await;
    assert!(forgotten.json()["metadata"].get("managedFields").is_none(), "{}", forgotten.text());
    let refused = cluster.apply(&path, "one", &web(json!({"replicas": 5}))).await;
    expect![[
        r#"409 Conflict Apply failed with 1 conflict: conflict with "before-first-apply" using apps/v1: .spec.replicas"#
    ]]
    .assert_eq(&refused.failure());
    let applied = cluster.apply(&path, "one", &web(json!({"replicas": 3}))).await.json();
    let names: Vec<&str> = applied["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["manager"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["one", "before-first-apply"]);
}

#[tokio::test]
async fn the_entries_may_be_rewritten_by_a_json_patch_as_client_go_does() {
    let cluster = Cluster::start().await;
    client_side(&cluster, 3).await;
    let path = format!("{DEPLOYMENTS}/web");
    let object = cluster.ask(&format!("GET {path}")).await.json();
    let mut entries = object["metadata"]["managedFields"].clone();
    entries[0]["manager"] = "kubectl".into();
    entries[0]["operation"] = "Apply".into();
    let patch = json!([{"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": object["metadata"]["resourceVersion"]}]);
    let patched = cluster.ask(&format!("PATCH {path}\nContent-Type: application/json-patch+json\n\n{patch}")).await;
    assert_eq!(patched.code, 200, "{}", patched.text());
    assert!(owners(&patched.json()).starts_with("kubectl Apply - "), "{}", owners(&patched.json()));
    let late = cluster.ask(&format!("PATCH {path}\nContent-Type: application/json-patch+json\n\n{patch}")).await;
    assert_eq!(late.code, 409, "{}", late.text());
}

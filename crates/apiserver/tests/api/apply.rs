//! Server-side apply through HTTP.

use expect_test::{Expect, expect};
use sampan_api::request::User;
use serde_json::{Value, json};

use crate::harness::{Cluster, Reply, admin};

pub const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// A configuration of the deployment `web`, with these members of the spec added.
pub fn web(more: Value) -> Value {
    let mut config = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}, "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}});
    config["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

pub fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

impl Cluster {
    /// Applies a configuration; `query` begins with the manager's name: `one&force=true`.
    pub async fn apply(&self, path: &str, query: &str, config: &Value) -> Reply {
        self.apply_text(path, query, &config.to_string()).await
    }

    pub async fn apply_text(&self, path: &str, query: &str, body: &str) -> Reply {
        let head = format!("PATCH {path}?fieldManager={query}\nContent-Type: application/apply-patch+yaml");
        self.ask(&format!("{head}\n\n{body}")).await
    }
}

/// One manager a line: name, operation, subresource, fields.
pub fn owners(object: &Value) -> String {
    let entries = object["metadata"]["managedFields"].as_array().map_or(&[][..], Vec::as_slice);
    let line = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or("-");
        format!("{} {} {} {}", text("manager"), text("operation"), text("subresource"), entry["fieldsV1"])
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

const MAP: &str = "/api/v1/namespaces/default/configmaps/a";

#[tokio::test]
async fn what_is_not_there_is_made_and_what_is_there_is_merged() {
    let cluster = Cluster::start().await;
    let made = cluster.apply(MAP, "one", &config_map(json!({"a": "1"}))).await;
    assert_eq!((made.code, &made.json()["data"]), (201, &json!({"a": "1"})), "{}", made.text());
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  b: '2'\n";
    let merged = cluster.apply_text(MAP, "two", yaml).await;
    assert_eq!((merged.code, &merged.json()["data"]), (200, &json!({"a": "1", "b": "2"})), "{}", merged.text());
    expect![[r#"
        one Apply - {"f:data":{"f:a":{}}}
        two Apply - {"f:data":{"f:b":{}}}"#]]
    .assert_eq(&owners(&merged.json()));
    let entry = &merged.json()["metadata"]["managedFields"][0];
    assert_eq!((&entry["apiVersion"], &entry["fieldsType"]), (&json!("v1"), &json!("FieldsV1")));
    assert!(entry["time"].is_string() && entry.get("subresource").is_none());
}

#[tokio::test]
async fn the_same_again_is_no_write() {
    let cluster = Cluster::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    let made = cluster.apply(&path, "one", &web(json!({"replicas": 2}))).await.json();
    let again = cluster.apply(&path, "one", &web(json!({"replicas": 2}))).await.json();
    assert_eq!(made, again);
    let reply = cluster.apply(&path, "one&dryRun=All", &web(json!({"replicas": 3}))).await;
    assert_eq!((reply.code, &reply.json()["spec"]["replicas"]), (200, &json!(3)), "{}", reply.text());
    assert_eq!(cluster.ask(&format!("GET {path}")).await.json(), made, "a rehearsal leaves nothing");
}

#[tokio::test]
async fn defaults_are_nobodys() {
    let cluster = Cluster::start().await;
    let made = cluster.apply(&format!("{DEPLOYMENTS}/web"), "one", &web(json!({}))).await.json();
    assert_eq!(made["spec"]["replicas"], 1);
    expect![[r#"one Apply - {"f:spec":{"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{}}}}}}}"#]]
        .assert_eq(&owners(&made));
}

#[tokio::test]
async fn conflicts_are_told_field_by_field_and_may_be_forced() {
    let cluster = Cluster::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    cluster.apply(&path, "one", &web(json!({"replicas": 1}))).await;
    let mut image = web(json!({"replicas": 2}));
    let refused = cluster.apply(&path, "two", &image).await;
    expect![[r#"409 Conflict Apply failed with 1 conflict: conflict with "one": .spec.replicas"#]]
        .assert_eq(&refused.failure());
    expect![[r#"[{"field":".spec.replicas","message":"conflict with \"one\"","reason":"FieldManagerConflict"}]"#]]
        .assert_eq(&refused.json()["details"]["causes"].to_string());
    let scale = "{\"spec\":{\"replicas\":4}}";
    cluster
        .ask(&format!("PATCH {path}?fieldManager=scaler\nContent-Type: application/merge-patch+json\n\n{scale}"))
        .await;
    image["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into();
    let refused = cluster.apply(&path, "two", &image).await;
    expect![[r#"
        409 Conflict Apply failed with 2 conflicts: conflicts with "one":
        - .spec.template.spec.containers[name="c"].image
        conflicts with "scaler" using apps/v1:
        - .spec.replicas"#]]
    .assert_eq(&refused.failure());
    let forced = cluster.apply(&path, "two&force=true", &image).await;
    assert_eq!((forced.code, &forced.json()["spec"]["replicas"]), (200, &json!(2)), "{}", forced.text());
    let owners = owners(&forced.json());
    assert!(!owners.contains("scaler"), "who owns nothing is gone: {owners}");
    assert_eq!(owners.matches("f:replicas").count(), 1, "{owners}");
}

#[tokio::test]
async fn what_is_dropped_goes_unless_others_own_it() {
    let cluster = Cluster::start().await;
    cluster.apply(MAP, "one", &config_map(json!({"a": "1", "b": "1", "c": "1"}))).await;
    cluster.apply(MAP, "two", &config_map(json!({"b": "1"}))).await;
    let patch = "{\"data\":{\"d\":\"1\"}}";
    cluster
        .ask(&format!("PATCH {MAP}\nUser-Agent: curl/8\nContent-Type: application/merge-patch+json\n\n{patch}"))
        .await;
    let dropped = cluster.apply(MAP, "one", &config_map(json!({"a": "1"}))).await.json();
    assert_eq!(dropped["data"], json!({"a": "1", "b": "1", "d": "1"}));
    expect![[r#"
        one Apply - {"f:data":{"f:a":{}}}
        two Apply - {"f:data":{"f:b":{}}}
        curl Update - {"f:data":{"f:d":{}}}"#]]
    .assert_eq(&{
        let mut lines: Vec<String> = owners(&dropped).lines().map(str::to_owned).collect();
        lines.sort_by_key(|line| line.contains("curl"));
        lines[..2].sort();
        lines.join("\n")
    });
}

async fn check_refused(path: &str, query: &str, body: &str, expected: Expect) {
    let cluster = Cluster::start().await;
    cluster.create("/api/v1/namespaces/default/configmaps", json!({"metadata": {"name": "a"}})).await;
    expected.assert_eq(&cluster.apply_text(path, query, body).await.failure());
}

#[tokio::test]
async fn configurations_that_make_no_sense_are_refused_in_upstreams_words() {
    let named = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}).to_string();
    check_refused(MAP, "", &named("a"), expect![[r#"422 Invalid PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch"#]]).await;
    check_refused(MAP, &"x".repeat(129), &named("a"), expect![[r#"422 Invalid PatchOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes"#]]).await;
    check_refused(
        MAP,
        "one",
        &named("b"),
        expect!["400 BadRequest the name of the object (b) does not match the name on the URL (a)"],
    )
    .await;
    check_refused(MAP, "one", "kind: ConfigMap", expect!["400 BadRequest invalid object type: /, Kind=ConfigMap"])
        .await;
    check_refused(MAP, "one", "", expect!["400 BadRequest invalid object type: /, Kind="]).await;
    check_refused(
        MAP,
        "one",
        "[]",
        expect!["400 BadRequest error decoding patch: an apply configuration is an object"],
    )
    .await;
    check_refused(
        MAP,
        "one",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","managedFields":[]}}"#,
        expect!["400 BadRequest metadata.managedFields must be nil"],
    )
    .await;
    check_refused(
        MAP,
        "one",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"datum":{}}"#,
        expect![
            "500  failed to create typed patch object (/a; /v1, Kind=ConfigMap): .datum: field not declared in schema"
        ],
    )
    .await;
    check_refused(
        MAP,
        "one",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"other"}}"#,
        expect!["400 BadRequest the namespace of the provided object does not match the namespace sent on the request"],
    )
    .await;
    check_refused(MAP, "one", r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","resourceVersion":"1"}}"#, expect![[r#"409 Conflict Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again"#]]).await;
    let absent = "/api/v1/namespaces/default/configmaps/b";
    check_refused(
        absent,
        "one",
        "{apiVersion: v1, kind: ConfigMap}",
        expect!["400 BadRequest the name of the object (based on URL) was undeterminable: name must be provided"],
    )
    .await;
    check_refused(absent, "one", "{apiVersion: v1, kind: ConfigMap, metadata: {name: b, uid: u}}", expect![[r#"409 Conflict Operation cannot be fulfilled on configmaps "b": uid mismatch: the provided object specified uid u, and no existing object was found"#]]).await;
    check_refused(
        "/api/v1/namespaces/nowhere/configmaps/b",
        "one",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}",
        expect![[r#"404 NotFound namespaces "nowhere" not found"#]],
    )
    .await;
    check_refused(
        "/api/v1/namespaces/default/pods/p/status",
        "one",
        "{apiVersion: v1, kind: Pod, metadata: {name: p}}",
        expect![[r#"404 NotFound pods "p" not found"#]],
    )
    .await;
}

#[tokio::test]
async fn elements_that_are_alike_are_refused_and_invalid_objects_as_well() {
    let cluster = Cluster::start().await;
    let mut twice = web(json!({}));
    twice["spec"]["template"]["spec"]["containers"] = json!([{"name": "c", "image": "i"}, {"name": "c", "image": "j"}]);
    let refused = cluster.apply(&format!("{DEPLOYMENTS}/web"), "one", &twice).await;
    expect![[r#"500  failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.template.spec.containers: duplicate entries for key [name="c"]"#]]
        .assert_eq(&refused.failure());
    let refused = cluster.apply(&format!("{DEPLOYMENTS}/web"), "one", &web(json!({"replicas": -1}))).await;
    assert_eq!(refused.code, 422, "{}", refused.text());
}

#[tokio::test]
async fn repeated_fields_are_treated_as_the_client_asked() {
    let cluster = Cluster::start().await;
    for body in [
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: '1', a: '2'}\n",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"1","a":"2"}}"#,
    ] {
        let strict = cluster.apply_text(MAP, "one&fieldValidation=Strict", body).await;
        assert!(strict.failure().starts_with("400 BadRequest error strict decoding YAML: "), "{}", strict.text());
        let warned = cluster.apply_text(MAP, "one", body).await;
        assert_eq!((&warned.json()["data"]["a"], warned.warnings().len()), (&json!("2"), 1), "{}", warned.text());
        let ignored = cluster.apply_text(MAP, "one&fieldValidation=Ignore", body).await;
        assert_eq!((ignored.code, ignored.warnings().len()), (200, 0), "{}", ignored.text());
    }
}

#[tokio::test]
async fn status_and_scale_are_applied_apart() {
    let cluster = Cluster::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    cluster.apply(&path, "one", &web(json!({"replicas": 1}))).await;
    let mut status = web(json!({"replicas": 7}));
    status["status"] = json!({"replicas": 1, "readyReplicas": 1});
    let reported = cluster.apply(&format!("{path}/status"), "reporter", &status).await.json();
    assert_eq!((&reported["spec"]["replicas"], &reported["status"]["readyReplicas"]), (&json!(1), &json!(1)));
    assert!(
        owners(&reported).contains(r#"reporter Apply status {"f:status":{"f:readyReplicas":{},"f:replicas":{}}}"#),
        "{}",
        owners(&reported)
    );
    let scale =
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}});
    let refused = cluster.apply(&format!("{path}/scale"), "scaler", &scale).await;
    expect![[r#"409 Conflict Apply failed with 1 conflict: conflict with "one": .spec.replicas"#]]
        .assert_eq(&refused.failure());
    let scaled = cluster.apply(&format!("{path}/scale"), "scaler&force=true", &scale).await;
    assert_eq!((scaled.code, &scaled.json()["spec"]["replicas"]), (200, &json!(5)), "{}", scaled.text());
    let deployment = cluster.ask(&format!("GET {path}")).await.json();
    assert_eq!(deployment["spec"]["replicas"], 5);
    assert!(
        owners(&deployment).contains(r#"scaler Apply scale {"f:spec":{"f:replicas":{}}}"#),
        "{}",
        owners(&deployment)
    );
    let refused = cluster.apply(&path, "one", &web(json!({"replicas": 1}))).await;
    expect![[
        r#"409 Conflict Apply failed with 1 conflict: conflict with "scaler" with subresource "scale": .spec.replicas"#
    ]]
    .assert_eq(&refused.failure());
}

#[tokio::test]
async fn who_may_only_patch_does_not_create() {
    let cluster = Cluster::start().await;
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "update", "get"]}]);
    cluster
        .create(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
            json!({"metadata": {"name": "patcher"}, "rules": rules}),
        )
        .await;
    let binding = json!({"metadata": {"name": "patcher"}, "subjects": [{"kind": "User", "name": "pat", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "Role", "name": "patcher", "apiGroup": "rbac.authorization.k8s.io"}});
    cluster.create("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding).await;
    let request = format!(
        "PATCH {MAP}?fieldManager=pat\nContent-Type: application/apply-patch+yaml\n\n{}",
        config_map(json!({"a": "1"}))
    );
    let user = User::new("pat", [""; 0]);
    let refused = cluster.ask_as(&user, &request).await;
    assert!(refused.code == 403 && refused.text().contains("cannot create resource"), "{}", refused.text());
    cluster.ask_as(&admin(), &request).await;
    assert_eq!(cluster.ask_as(&user, &request).await.code, 200);
}

//! Writing objects: bodies good and bad, field validation, dry run, update and delete.

use expect_test::{Expect, expect};
use serde_json::json;

use crate::harness::Cluster;

async fn check(cluster: &Cluster, request: &str, expected: Expect) {
    let reply = cluster.ask(request).await;
    let warnings: Vec<&str> = reply.warnings();
    expected.assert_eq(&[&[&*reply.failure()], &warnings[..]].concat().join("\n"));
}

#[tokio::test]
async fn an_object_is_created_read_replaced_and_deleted() {
    let cluster = Cluster::start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let created = cluster.create(path, json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).await;
    assert_eq!(created["kind"], "ConfigMap");
    assert!(!created["metadata"]["uid"].as_str().unwrap().is_empty());
    let read = cluster.ask(&format!("GET {path}/a")).await;
    assert_eq!((read.code, read.json()), (200, created.clone()));
    let mut changed = created.clone();
    changed["data"]["k"] = "w".into();
    let updated = cluster.ask(&format!("PUT {path}/a\n\n{changed}")).await;
    assert_eq!((updated.code, &updated.json()["data"]["k"]), (200, &json!("w")));
    let stale = cluster.ask(&format!("PUT {path}/a\n\n{changed}")).await;
    assert_eq!((stale.code, &stale.json()["reason"]), (409, &json!("Conflict")));
    let deleted = cluster
        .ask(&format!(
            "DELETE {path}/a\n\n{}",
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})
        ))
        .await;
    assert_eq!(
        (deleted.code, &deleted.json()["status"], &deleted.json()["details"]["kind"]),
        (200, &json!("Success"), &json!("configmaps"))
    );
    assert_eq!(cluster.ask(&format!("GET {path}/a")).await.code, 404);
}

#[tokio::test]
async fn failures_are_a_status_in_upstream_s_words() {
    let cluster = Cluster::start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    cluster.create(path, json!({"metadata": {"name": "a"}})).await;
    check(
        &cluster,
        &format!("POST {path}\n\n{}", json!({"metadata": {"name": "a"}})),
        expect![[r#"409 AlreadyExists configmaps "a" already exists"#]],
    )
    .await;
    check(&cluster, &format!("GET {path}/none"), expect![[r#"404 NotFound configmaps "none" not found"#]]).await;
    check(&cluster, "GET /api/v1/nonsense", expect!["404 NotFound the server could not find the requested resource"])
        .await;
    check(
        &cluster,
        "GET /apis/none/v1/things",
        expect!["404 NotFound the server could not find the requested resource"],
    )
    .await;
    check(
        &cluster,
        "GET /api/v1/configmaps/a",
        expect!["404 NotFound the server could not find the requested resource"],
    )
    .await;
    check(
        &cluster,
        "GET /api/v1/namespaces/default/nodes",
        expect!["404 NotFound the server could not find the requested resource"],
    )
    .await;
    check(&cluster, &format!("POST {path}\n\nnonsense"), expect![[r#"400 BadRequest ConfigMap in version "v1" cannot be handled as a ConfigMap: json parse error: expected ident at line 1 column 2"#]]).await;
    check(&cluster, &format!("POST {path}\n\n"), expect![[r#"400 BadRequest ConfigMap in version "v1" cannot be handled as a ConfigMap: json parse error: EOF while parsing a value at line 1 column 0"#]]).await;
    check(
        &cluster,
        &format!("POST {path}\n\n{}", json!({"kind": "Secret"})),
        expect![
            "400 BadRequest the kind in the data (, Kind=Secret) does not match the expected kind (v1, Kind=ConfigMap)"
        ],
    )
    .await;
    check(&cluster, &format!("POST {path}\nContent-Type: text/plain\n\nx"), expect!["415 UnsupportedMediaType the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf"]).await;
    check(&cluster, &format!("POST {path}\nAccept: text/html\n\n{{}}"), expect!["406 NotAcceptable only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf"]).await;
    check(&cluster, &format!("POST {path}?dryRun=Some\n\n{{}}"), expect![[r#"422 Invalid CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "Some": supported values: "All""#]]).await;
    check(
        &cluster,
        &format!("POST {path}/a\n\n{{}}"),
        expect![[r#"405 MethodNotAllowed create is not supported on resources of kind "configmaps""#]],
    )
    .await;
    check(
        &cluster,
        &format!("GET {path}?limit=many"),
        expect![[r#"400 BadRequest invalid value "many" for parameter limit: it must be a number"#]],
    )
    .await;
    check(
        &cluster,
        &format!("GET {path}?labelSelector=%21%21"),
        expect![
            "400 BadRequest unable to parse requirement: unable to parse requirement: found '!', expected: identifier"
        ],
    )
    .await;
    check(
        &cluster,
        &format!("GET {path}?fieldSelector=data.k%3Dv"),
        expect!["400 BadRequest field label not supported: data.k"],
    )
    .await;
    check(
        &cluster,
        &format!("GET {path}?timeout=soon"),
        expect![[r#"400 BadRequest invalid timeout specified in the request URL: "soon" is no duration"#]],
    )
    .await;
    let exec = "POST /api/v1/namespaces/default/pods/p/exec?command=ls\n\n";
    check(&cluster, exec, expect![[r#"404 NotFound pods "p" not found"#]]).await;
}

#[tokio::test]
async fn unknown_fields_warn_fail_or_pass_as_asked() {
    let cluster = Cluster::start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let body = |name: &str| json!({"metadata": {"name": name}, "data": {"k": "v"}, "datum": {}});
    let warned = cluster.ask(&format!("POST {path}\n\n{}", body("a"))).await;
    assert_eq!((warned.code, warned.warnings()), (201, vec![r#"299 - "unknown field \"datum\"""#]));
    assert!(warned.json().get("datum").is_none());
    let ignored = cluster.ask(&format!("POST {path}?fieldValidation=Ignore\n\n{}", body("b"))).await;
    assert_eq!((ignored.code, ignored.warnings().len()), (201, 0));
    check(&cluster, &format!("POST {path}?fieldValidation=Strict\n\n{}", body("c")), expect![[r#"400 BadRequest ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "datum""#]]).await;
    check(&cluster, &format!("POST {path}?fieldValidation=Perhaps\n\n{}", body("c")), expect![[r#"422 Invalid CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Perhaps": supported values: "", "Ignore", "Strict", "Warn""#]]).await;
}

#[tokio::test]
async fn a_dry_run_answers_as_if_and_stores_nothing() {
    let cluster = Cluster::start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let reply = cluster.ask(&format!("POST {path}?dryRun=All\n\n{}", json!({"metadata": {"name": "a"}}))).await;
    assert_eq!(reply.code, 201);
    assert_eq!(cluster.ask(&format!("GET {path}/a")).await.code, 404);
}

#[tokio::test]
async fn bodies_too_large_or_too_deep_are_refused() {
    let cluster = Cluster::start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let large = format!("POST {path}\n\n{}", json!({"metadata": {"name": "a"}, "data": {"k": "x".repeat(3 << 20)}}));
    check(&cluster, &large, expect!["413 RequestEntityTooLarge Request entity too large: limit is 3145728"]).await;
    let deep = format!("POST {path}\n\n{}{}", "{\"data\":".repeat(20_000), "}".repeat(20_000));
    assert_eq!(cluster.ask(&deep).await.code, 400);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    assert_eq!(cluster.ask(&format!("POST {path}\nContent-Type: application/yaml\n\n{bomb}")).await.code, 400);
}

#[tokio::test]
async fn a_namespace_is_reached_by_its_own_path() {
    let cluster = Cluster::start().await;
    cluster.create("/api/v1/namespaces", json!({"metadata": {"name": "n"}})).await;
    assert_eq!(cluster.ask("GET /api/v1/namespaces/n").await.json()["metadata"]["name"], "n");
    let patched = cluster
        .ask("PATCH /api/v1/namespaces/n\nContent-Type: application/merge-patch+json\n\n{\"metadata\":{\"labels\":{\"a\":\"b\"}}}")
        .await;
    assert_eq!((patched.code, &patched.json()["metadata"]["labels"]["a"]), (200, &json!("b")), "{}", patched.text());
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let cluster = Cluster::start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    for (name, app) in [("a", "x"), ("b", "x"), ("c", "y")] {
        cluster.create(path, json!({"metadata": {"name": name, "labels": {"app": app}}})).await;
    }
    let reply = cluster.ask(&format!("DELETE {path}?labelSelector=app%3Dx")).await;
    assert_eq!((reply.code, reply.json()["items"].as_array().unwrap().len()), (200, 2));
    let left = cluster.ask(&format!("GET {path}")).await.json();
    let names: Vec<&str> =
        left["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c"]);
}

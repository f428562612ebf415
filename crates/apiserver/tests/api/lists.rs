//! Lists: pages, selectors, versions, tables.

use serde_json::json;

use crate::harness::Cluster;

const PATH: &str = "/api/v1/namespaces/default/configmaps";
const TABLE: &str = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

async fn with_three() -> Cluster {
    let cluster = Cluster::start().await;
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x")] {
        cluster.create(PATH, json!({"metadata": {"name": name, "labels": {"app": app}}, "data": {"k": "v"}})).await;
    }
    cluster
}

fn names(list: &serde_json::Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_list_has_the_kind_of_its_resource_and_a_version() {
    let cluster = with_three().await;
    let reply = cluster.ask(&format!("GET {PATH}")).await;
    let list = reply.json();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
    assert!(list["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(reply.header("cache-control"), "no-cache, private");
    assert!(!reply.header("audit-id").is_empty());
    let empty = cluster.ask("GET /api/v1/namespaces/none/configmaps").await.json();
    assert_eq!(empty["items"], json!([]));
    let everywhere = cluster.ask("GET /api/v1/configmaps").await.json();
    assert_eq!(names(&everywhere), ["a", "b", "c"]);
}

#[tokio::test]
async fn selectors_and_pages_narrow_a_list() {
    let cluster = with_three().await;
    assert_eq!(names(&cluster.ask(&format!("GET {PATH}?labelSelector=app+in+(x)")).await.json()), ["a", "c"]);
    assert_eq!(names(&cluster.ask(&format!("GET {PATH}?fieldSelector=metadata.name%3Db")).await.json()), ["b"]);
    let first = cluster.ask(&format!("GET {PATH}?limit=2")).await.json();
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(1)));
    let token = first["metadata"]["continue"].as_str().unwrap();
    cluster.create(PATH, json!({"metadata": {"name": "z"}})).await;
    let second = cluster.ask(&format!("GET {PATH}?limit=2&continue={token}")).await.json();
    assert_eq!(names(&second), ["c"]);
    assert_eq!(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
    assert_eq!(cluster.ask(&format!("GET {PATH}?continue=nonsense")).await.code, 400);
    let contradiction = cluster.ask(&format!("GET {PATH}?resourceVersionMatch=Exact")).await;
    assert_eq!(contradiction.code, 422);
}

#[tokio::test]
async fn a_version_from_the_future_times_out_as_too_large() {
    let cluster = with_three().await;
    let reply = cluster.ask(&format!("GET {PATH}?resourceVersion=999999")).await;
    let status = reply.json();
    assert_eq!((reply.code, &status["details"]["causes"][0]["reason"]), (504, &json!("ResourceVersionTooLarge")));
    assert_eq!(reply.header("retry-after"), "1");
}

#[tokio::test]
async fn tables_hold_rows_with_what_was_asked_for() {
    let cluster = with_three().await;
    let table = cluster.ask(&format!("GET {PATH}\n{TABLE}")).await.json();
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    assert_eq!(table["columnDefinitions"][0]["name"], "Name");
    assert_eq!(table["columnDefinitions"][0]["format"], "name");
    assert_eq!(table["rows"].as_array().unwrap().len(), 3);
    assert_eq!(table["rows"][0]["cells"][0], "a");
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(table["rows"][0]["object"]["metadata"]["labels"]["app"], "x");
    let whole = cluster.ask(&format!("GET {PATH}?includeObject=Object\n{TABLE}")).await.json();
    assert_eq!(whole["rows"][0]["object"]["data"]["k"], "v");
    let none = cluster.ask(&format!("GET {PATH}?includeObject=None\n{TABLE}")).await.json();
    assert_eq!(none["rows"][0]["object"], json!(null));
    let one = cluster.ask(&format!("GET {PATH}/b\n{TABLE}")).await.json();
    assert_eq!((one["rows"].as_array().unwrap().len(), &one["rows"][0]["cells"][0]), (1, &json!("b")));
    assert_eq!(cluster.ask(&format!("GET {PATH}?includeObject=All\n{TABLE}")).await.code, 400);
}

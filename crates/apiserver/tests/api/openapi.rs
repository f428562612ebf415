//! OpenAPI v3 as kubectl apply and explain read it.

use serde_json::{Value, json};

use crate::harness::Cluster;

#[tokio::test]
async fn the_index_leads_to_every_group_version() {
    let cluster = Cluster::start().await;
    let index = cluster.ask("GET /openapi/v3?timeout=32s\nAccept: application/json, */*").await;
    let again = cluster.ask(&format!("GET /openapi/v3\nIf-None-Match: {}", index.header("etag"))).await;
    assert_eq!(again.code, 304);
    let paths = index.json()["paths"].as_object().unwrap().clone();
    assert!(paths.contains_key("api/v1") && paths.contains_key("apis/apps/v1"), "{paths:?}");
    for (path, entry) in paths {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        let document = cluster.ask(&format!("GET {url}\nAccept: application/json")).await;
        assert_eq!(document.code, 200, "{path}");
        assert!(document.header("cache-control").contains("immutable"));
        references_resolve(&path, &document.json());
        let stale = cluster.ask(&format!("GET /openapi/v3/{path}?hash=00")).await;
        assert_eq!((stale.code, stale.header("location")), (301, url));
    }
}

/// Every `$ref` of a document points into it.
fn references_resolve(path: &str, document: &Value) {
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut pending = vec![document];
    while let Some(value) = pending.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let name = reference.strip_prefix("#/components/schemas/").unwrap();
                    assert!(schemas.contains_key(name), "{path}: {reference} leads nowhere");
                }
                pending.extend(members.values());
            }
            Value::Array(items) => pending.extend(items),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_patch_of_every_kind_says_that_it_validates_fields() {
    let cluster = Cluster::start().await;
    let document = cluster.ask("GET /openapi/v3/apis/apps/v1").await.json();
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "apps", "version": "v1", "kind": "Deployment"})
    );
    assert_eq!(patch["x-kubernetes-action"], "patch");
    let parameters: Vec<&str> =
        patch["parameters"].as_array().unwrap().iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
    assert_eq!(parameters, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    let list = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments"]["get"];
    assert_eq!(list["x-kubernetes-action"], "list");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let deployment = schemas.values().find(|schema| {
        schema["x-kubernetes-group-version-kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"] == "Deployment"))
    });
    assert!(deployment.is_some(), "explain finds a kind by its group, version and kind");
}

#[tokio::test]
async fn operation_ids_are_unique() {
    let cluster = Cluster::start().await;
    let document = cluster.ask("GET /openapi/v3/api/v1").await.json();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values().filter_map(|operation| operation["operationId"].as_str()) {
            assert!(ids.insert(operation.to_owned()), "{path}: {operation}");
        }
    }
}

const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

#[tokio::test]
async fn v2_is_one_document_of_every_kind() {
    let cluster = Cluster::start().await;
    let reply = cluster.ask("GET /openapi/v2?timeout=32s\nAccept: application/json").await;
    let document = reply.json();
    assert_eq!(document["swagger"], "2.0");
    let pod = &document["definitions"]["io.k8s.api.core.v1.Pod"];
    assert_eq!(pod["x-kubernetes-group-version-kind"], json!([{"group": "", "version": "v1", "kind": "Pod"}]));
    assert_eq!(pod["properties"]["spec"]["$ref"], "#/definitions/io.k8s.api.core.v1.PodSpec");
    let get = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["get"];
    assert_eq!(get["responses"]["200"]["schema"]["$ref"], "#/definitions/io.k8s.api.core.v1.Pod");
    let text = reply.text();
    for reference in text.split("\"#/definitions/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["definitions"].get(reference).is_some(), "{reference} leads nowhere");
    }
    assert!(!text.contains("#/components/"));
    let again = cluster.ask(&format!("GET /openapi/v2\nIf-None-Match: {}", reply.header("etag"))).await;
    assert_eq!(again.code, 304);
}

#[tokio::test]
async fn v2_comes_in_protobuf_to_who_prefers_it() {
    let cluster = Cluster::start().await;
    let reply = cluster.ask(&format!("GET /openapi/v2\nAccept: {PROTOBUF}")).await;
    assert_eq!(reply.code, 200);
    assert_eq!(reply.header("content-type"), PROTOBUF.replace('@', "."));
    assert!(reply.body.windows(5).any(|window| window == b"\x0a\x032.0"), "field 1 is the version of Swagger");
    let either = cluster.ask(&format!("GET /openapi/v2\nAccept: application/json,{PROTOBUF}")).await;
    assert_eq!(either.header("content-type"), "application/json");
    assert_ne!(either.header("etag"), reply.header("etag"));
    assert_eq!(cluster.ask("GET /openapi/v2\nAccept: text/html").await.code, 406);
    let packed = cluster.ask(&format!("GET /openapi/v2\nAccept: {PROTOBUF}\nAccept-Encoding: gzip")).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() * 5 < reply.body.len(), "{} of {}", packed.body.len(), reply.body.len());
}

#[tokio::test]
async fn explain_has_words_for_every_field_of_a_container() {
    let cluster = Cluster::start().await;
    let document = cluster.ask("GET /openapi/v3/api/v1").await.json();
    let container = &document["components"]["schemas"]["io.k8s.api.core.v1.Container"];
    assert!(container["description"].as_str().unwrap().starts_with("A single application container"));
    for (name, field) in container["properties"].as_object().unwrap() {
        assert!(field["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
}

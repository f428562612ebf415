//! Discovery, compared with the documents of a real server where they are at hand.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::Cluster;

const AGGREGATED: &str = "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// `group/version resource` to its entry.
fn entries(document: &Value) -> BTreeMap<String, Value> {
    let mut entries = BTreeMap::new();
    for group in document["items"].as_array().unwrap() {
        let name = group["metadata"]["name"].as_str().unwrap_or_default();
        for version in group["versions"].as_array().unwrap() {
            for resource in version["resources"].as_array().unwrap() {
                let key = format!(
                    "{name}/{} {}",
                    version["version"].as_str().unwrap(),
                    resource["resource"].as_str().unwrap()
                );
                entries.insert(key, resource.clone());
            }
        }
    }
    entries
}

#[tokio::test]
async fn our_kinds_are_described_as_upstream_describes_them() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/discovery");
    let cluster = Cluster::start().await;
    for (path, file) in [("/api", "api-aggregated.json"), ("/apis", "apis-aggregated.json")] {
        let Ok(text) = std::fs::read_to_string(directory.join(file)) else {
            println!("skipped: {file} is not at hand");
            continue;
        };
        let theirs = entries(&serde_json::from_str(&text).unwrap());
        let ours = entries(&cluster.ask(&format!("GET {path}\n{AGGREGATED}")).await.json());
        assert!(!ours.is_empty());
        // An add-on's at theirs.
        for (key, mut entry) in ours.into_iter().filter(|(key, _)| !key.starts_with("metrics.k8s.io/")) {
            let mut expected = theirs.get(&key).unwrap_or_else(|| panic!("{key} is no kind of upstream's")).clone();
            // Subresources that wait for a later version may be missing; those that are there must be right.
            let own = entry.as_object_mut().unwrap().remove("subresources").unwrap_or_else(|| json!([]));
            let known = expected.as_object_mut().unwrap().remove("subresources").unwrap_or_else(|| json!([]));
            for subresource in own.as_array().unwrap() {
                assert!(known.as_array().unwrap().contains(subresource), "{key}: {subresource}");
            }
            assert_eq!(entry, expected, "{key}");
        }
    }
}

/// Groups of which nothing is missing.
const WHOLE: [&str; 5] = [
    "admissionregistration.k8s.io/v1 ",
    "apiregistration.k8s.io/v1 ",
    "flowcontrol.apiserver.k8s.io/v1 ",
    "resource.k8s.io/v1 ",
    "storage.k8s.io/v1 ",
];

#[tokio::test]
async fn whole_groups_lack_nothing() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/discovery");
    let Ok(text) = std::fs::read_to_string(directory.join("apis-aggregated.json")) else {
        println!("skipped: apis-aggregated.json is not at hand");
        return;
    };
    let theirs = entries(&serde_json::from_str(&text).unwrap());
    let cluster = Cluster::start().await;
    let ours = entries(&cluster.ask(&format!("GET /apis\n{AGGREGATED}")).await.json());
    let mut compared = 0;
    for (key, expected) in theirs.iter().filter(|(key, _)| WHOLE.iter().any(|group| key.starts_with(group))) {
        assert_eq!(ours.get(key), Some(expected), "{key}");
        compared += 1;
    }
    assert_eq!(compared, 19);
    let core = std::fs::read_to_string(directory.join("api-aggregated.json")).unwrap();
    let (theirs, ours) = (
        entries(&serde_json::from_str(&core).unwrap()),
        entries(&cluster.ask(&format!("GET /api\n{AGGREGATED}")).await.json()),
    );
    for key in ["/v1 persistentvolumes", "/v1 persistentvolumeclaims"] {
        assert_eq!(ours.get(key), theirs.get(key), "{key}");
    }
}

#[tokio::test]
async fn aggregated_documents_are_tagged_and_not_sent_twice() {
    let cluster = Cluster::start().await;
    for path in ["/api", "/apis"] {
        let reply = cluster.ask(&format!("GET {path}?timeout=32s\n{AGGREGATED}")).await;
        assert_eq!(
            reply.header("content-type"),
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        );
        assert_eq!((reply.json()["kind"].clone(), reply.header("vary")), (json!("APIGroupDiscoveryList"), "Accept"));
        let again = cluster.ask(&format!("GET {path}\n{AGGREGATED}\nIf-None-Match: {}", reply.header("etag"))).await;
        assert_eq!((again.code, again.body.len(), again.header("etag")), (304, 0, reply.header("etag")));
        let beta = cluster
            .ask(&format!(
                "GET {path}\nAccept: application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
            ))
            .await;
        assert_eq!(beta.json()["apiVersion"], "apidiscovery.k8s.io/v2beta1");
    }
}

#[tokio::test]
async fn the_old_documents_agree() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.ask("GET /api").await.json()["versions"], json!(["v1"]));
    let core = cluster.ask("GET /api/v1").await.json();
    assert_eq!((&core["kind"], &core["groupVersion"]), (&json!("APIResourceList"), &json!("v1")));
    let pods = core["resources"].as_array().unwrap().iter().find(|row| row["name"] == "pods").unwrap();
    assert_eq!(
        (&pods["shortNames"], &pods["namespaced"], &pods["kind"]),
        (&json!(["po"]), &json!(true), &json!("Pod"))
    );
    assert!(core["resources"].as_array().unwrap().iter().any(|row| row["name"] == "pods/log"));
    let groups = cluster.ask("GET /apis").await.json();
    let apps = groups["groups"].as_array().unwrap().iter().find(|group| group["name"] == "apps").unwrap();
    assert_eq!(apps["preferredVersion"]["groupVersion"], "apps/v1");
    assert_eq!(cluster.ask("GET /apis/apps").await.json()["kind"], "APIGroup");
    assert_eq!(cluster.ask("GET /apis/apps/v1").await.json()["groupVersion"], "apps/v1");
    for path in ["/apis/none", "/apis/apps/v9", "/api/v9", "/nonsense", "/openapi/v9"] {
        assert_eq!(cluster.ask(&format!("GET {path}")).await.code, 404, "{path}");
    }
    let version = cluster.ask("GET /version").await.json();
    assert_eq!((&version["major"], &version["minor"]), (&json!("1"), &json!("36")));
    assert!(version["gitVersion"].as_str().unwrap().starts_with("v1.36."), "{version}");
}

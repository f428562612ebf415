//! Watches in every form.

use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, header};
use sampan_meta::protobuf;
use serde_json::json;

use crate::harness::{Cluster, Setup};

const PATH: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn a_watch_tells_what_is_there_and_what_happens() {
    let cluster = Cluster::start().await;
    cluster.create(PATH, json!({"metadata": {"name": "a"}})).await;
    let mut watch = cluster.open(&format!("{PATH}?watch=true")).await;
    assert_eq!(watch.told().await, "ADDED a");
    cluster.create(PATH, json!({"metadata": {"name": "b"}})).await;
    let patch = format!("PATCH {PATH}/a\nContent-Type: application/merge-patch+json\n\n{{\"data\":{{\"k\":\"v\"}}}}");
    assert_eq!(cluster.ask(&patch).await.code, 200);
    cluster.ask(&format!("DELETE {PATH}/b")).await;
    assert_eq!(watch.told().await, "ADDED b");
    assert_eq!(watch.told().await, "MODIFIED a");
    assert_eq!(watch.told().await, "DELETED b");
}

#[tokio::test]
async fn a_watch_resumes_after_a_version_and_ends_in_time() {
    let cluster = Cluster::start().await;
    let created = cluster.create(PATH, json!({"metadata": {"name": "a"}})).await;
    cluster.create(PATH, json!({"metadata": {"name": "b"}})).await;
    let version = created["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = cluster.open(&format!("{PATH}?watch=1&resourceVersion={version}&timeoutSeconds=1")).await;
    assert_eq!(watch.told().await, "ADDED b");
    assert_eq!(watch.told().await, "END");
}

#[tokio::test]
async fn leaving_a_selector_is_a_deletion() {
    let cluster = Cluster::start().await;
    cluster.create(PATH, json!({"metadata": {"name": "a", "labels": {"app": "x"}}})).await;
    let mut watch = cluster.open(&format!("{PATH}?watch=1&labelSelector=app%3Dx")).await;
    assert_eq!(watch.told().await, "ADDED a");
    let patch = |app: &str| {
        format!(
            "PATCH {PATH}/a\nContent-Type: application/merge-patch+json\n\n{{\"metadata\":{{\"labels\":{{\"app\":\"{app}\"}}}}}}"
        )
    };
    cluster.ask(&patch("y")).await;
    cluster.ask(&patch("x")).await;
    assert_eq!(watch.told().await, "DELETED a");
    assert_eq!(watch.told().await, "ADDED a");
}

#[tokio::test]
async fn a_watch_list_closes_its_beginning_with_a_bookmark() {
    let cluster = Cluster::start().await;
    cluster.create(PATH, json!({"metadata": {"name": "a"}})).await;
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = cluster.open(&format!("{PATH}?{query}")).await;
    assert_eq!(watch.told().await, "ADDED a");
    let bookmark = watch.event().await.unwrap();
    assert_eq!((&bookmark["type"], &bookmark["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert!(bookmark["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().is_ok());
    cluster.create(PATH, json!({"metadata": {"name": "b"}})).await;
    assert_eq!(watch.told().await, "ADDED b");
    let refused = cluster.ask(&format!("GET {PATH}?watch=1&sendInitialEvents=true")).await;
    assert_eq!(refused.code, 422);
}

#[tokio::test]
async fn a_last_bookmark_comes_before_the_end() {
    let cluster = Cluster::start().await;
    let mut watch =
        cluster.open(&format!("{PATH}?watch=1&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=1")).await;
    assert_eq!(watch.told().await, "BOOKMARK ");
    assert_eq!(watch.told().await, "END");
}

#[tokio::test]
async fn table_watches_name_their_columns_once() {
    let cluster = Cluster::start().await;
    cluster.create(PATH, json!({"metadata": {"name": "a"}})).await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json".parse().unwrap();
    let headers = HeaderMap::from_iter([(header::ACCEPT, accept)]);
    let mut watch = cluster.open_with(&format!("{PATH}?watch=1"), headers).await;
    let first = watch.event().await.unwrap();
    assert_eq!(
        (&first["type"], &first["object"]["kind"], &first["object"]["rows"][0]["cells"][0]),
        (&json!("ADDED"), &json!("Table"), &json!("a"))
    );
    assert!(first["object"]["columnDefinitions"].is_array());
    cluster.create(PATH, json!({"metadata": {"name": "b"}})).await;
    let second = watch.event().await.unwrap();
    assert_eq!(
        (&second["object"]["rows"][0]["cells"][0], &second["object"]["columnDefinitions"]),
        (&json!("b"), &json!(null))
    );
}

#[tokio::test]
async fn protobuf_watches_come_in_frames() {
    let cluster = Cluster::start().await;
    cluster.create(PATH, json!({"metadata": {"name": "a"}, "data": {"k": "v".repeat(300)}})).await;
    let accept = "application/vnd.kubernetes.protobuf;stream=watch".parse().unwrap();
    let headers = HeaderMap::from_iter([(header::ACCEPT, accept)]);
    let mut watch = cluster.open_with(&format!("{PATH}?watch=1"), headers).await;
    let mut bytes = BytesMut::from(&watch.piece().await.unwrap()[..]);
    let length = bytes.get_u32() as usize;
    assert_eq!(bytes.len(), length);
    let schema = sampan_api::schema();
    // WatchEvent{1 type, 2 object{1 raw}}: the raw object is the envelope that follows its magic number.
    let start = bytes.windows(4).position(|window| window == b"k8s\0").unwrap();
    let unknown = protobuf::envelope::unwrap(&bytes[start..]).unwrap();
    let object = protobuf::decode(schema, schema.get("core.v1.ConfigMap").unwrap(), &unknown.raw).unwrap();
    assert_eq!((&bytes[2..7], &object["metadata"]["name"]), (&b"ADDED"[..], &json!("a")));
}

#[tokio::test]
async fn a_watch_from_a_version_that_is_gone_is_told_so_in_the_stream() {
    let cache = sampan_store::cache::Options { history_minimum: 1, history_maximum: 2, ..Default::default() };
    let cluster = Cluster::with(Setup { cache, ..Setup::default() }).await;
    let first = cluster.create(PATH, json!({"metadata": {"name": "a"}})).await;
    for _ in 0..20 {
        cluster.create(PATH, json!({"metadata": {"generateName": "x-"}})).await;
    }
    let version = first["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = cluster.open(&format!("{PATH}?watch=1&resourceVersion={version}")).await;
    let event = watch.event().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["kind"]), (&json!("ERROR"), &json!("Status")));
    assert_eq!((&event["object"]["code"], &event["object"]["reason"]), (&json!(410), &json!("Expired")));
    assert_eq!(watch.told().await, "END");
}

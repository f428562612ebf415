use futures::{FutureExt, StreamExt};
use sampan_meta::selector::{FieldSelector, LabelSelector};
use sampan_registry::{Event, VersionMatch, WatchOptions};
use serde_json::json;

use crate::cluster::{Cluster, next, version};

fn after(version: &str) -> WatchOptions {
    WatchOptions { resource_version: version.to_owned(), ..WatchOptions::default() }
}

#[tokio::test]
async fn a_watch_begins_with_what_is_there_and_goes_on_with_what_comes() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let mut watch = cluster.watch(&cluster.at("configmaps", "default", ""), &WatchOptions::default()).await;
    assert_eq!(next(&mut watch).await, "ADDED a");
    cluster.config_map("b", json!({})).await;
    cluster.merge(&cluster.at("configmaps", "default", "a"), json!({"data": {"k": "v"}})).await.unwrap();
    cluster
        .create(&cluster.at("configmaps", "kube-system", ""), json!({"metadata": {"name": "elsewhere"}}))
        .await
        .unwrap();
    cluster.delete(&cluster.at("configmaps", "default", "b"), &Default::default()).await.unwrap();
    assert_eq!(next(&mut watch).await, "ADDED b");
    assert_eq!(next(&mut watch).await, "MODIFIED a");
    assert_eq!(next(&mut watch).await, "DELETED b");
    assert!(watch.next().now_or_never().is_none(), "nothing of another namespace");
}

#[tokio::test]
async fn a_watch_from_a_version_has_no_gap_and_no_repeat() {
    let cluster = Cluster::new().await;
    let created = cluster.config_map("a", json!({})).await;
    for round in 0..20 {
        cluster
            .merge(&cluster.at("configmaps", "default", "a"), json!({"data": {"round": round.to_string()}}))
            .await
            .unwrap();
    }
    let mut watch = cluster.watch(&cluster.at("configmaps", "default", ""), &after(version(&created))).await;
    for round in 0..20 {
        let Some(Event::Modified(object)) = watch.next().await else { panic!("a change was expected") };
        assert_eq!(object.value()["data"]["round"], round.to_string());
    }
    assert!(watch.next().now_or_never().is_none());
}

#[tokio::test]
async fn objects_enter_and_leave_a_selector() {
    let cluster = Cluster::new().await;
    let options =
        WatchOptions { label_selector: Some(LabelSelector::parse("tier=web").unwrap()), ..WatchOptions::default() };
    let mut watch = cluster.watch(&cluster.at("configmaps", "default", ""), &options).await;
    cluster.config_map("a", json!({"tier": "db"})).await;
    let place = cluster.at("configmaps", "default", "a");
    cluster.merge(&place, json!({"metadata": {"labels": {"tier": "web"}}})).await.unwrap();
    cluster.merge(&place, json!({"data": {"k": "v"}})).await.unwrap();
    let left = cluster.merge(&place, json!({"metadata": {"labels": {"tier": "db"}}})).await.unwrap();
    cluster.delete(&place, &Default::default()).await.unwrap();
    assert_eq!(next(&mut watch).await, "ADDED a");
    assert_eq!(next(&mut watch).await, "MODIFIED a");
    let Some(Event::Deleted(object)) = watch.next().await else { panic!("it has left") };
    assert_eq!(object.label("tier"), Some("web"), "the last state that matched");
    assert_eq!(object.revision().to_string(), version(&left), "under the version of the change");
    assert_eq!(version(&object.value()), version(&left));
    assert!(watch.next().now_or_never().is_none(), "a deletion outside the selector is not told");
}

#[tokio::test]
async fn a_node_watches_its_own_pods() {
    let cluster = Cluster::new().await;
    let selector = FieldSelector::parse("spec.nodeName=n1").unwrap();
    let options = WatchOptions { field_selector: Some(selector), ..WatchOptions::default() };
    let mut watch = cluster.watch(&cluster.at("pods", "", ""), &options).await;
    cluster.pod("p1", "n1").await;
    cluster.pod("p2", "n2").await;
    cluster.pod("p3", "n1").await;
    assert_eq!(next(&mut watch).await, "ADDED p1");
    assert_eq!(next(&mut watch).await, "ADDED p3");
}

#[tokio::test]
async fn a_deleted_object_carries_the_version_of_its_deletion() {
    let cluster = Cluster::new().await;
    let created = cluster.config_map("a", json!({})).await;
    let mut watch = cluster.watch(&cluster.at("configmaps", "default", ""), &after(version(&created))).await;
    cluster.delete(&cluster.at("configmaps", "default", "a"), &Default::default()).await.unwrap();
    let Some(Event::Deleted(object)) = watch.next().await else { panic!("it is deleted") };
    assert!(object.revision() > version(&created).parse().unwrap());
    assert_eq!(object.value()["data"], json!({"key": "value"}));
}

#[tokio::test]
async fn a_watch_list_closes_the_initial_events_with_a_bookmark() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let last = cluster.config_map("b", json!({})).await;
    let options = WatchOptions {
        send_initial_events: Some(true),
        version_match: VersionMatch::NotOlderThan,
        allow_bookmarks: true,
        ..WatchOptions::default()
    };
    let mut watch = cluster.watch(&cluster.at("configmaps", "default", ""), &options).await;
    assert!(watch.bookmark().is_none(), "not before the initial events are told");
    assert_eq!(next(&mut watch).await, "ADDED a");
    assert_eq!(next(&mut watch).await, "ADDED b");
    let Some(Event::Bookmark { revision, initial_events_end: true }) = watch.next().await else { panic!("a bookmark") };
    assert_eq!(revision.to_string(), version(&last));
    cluster.config_map("c", json!({})).await;
    assert_eq!(next(&mut watch).await, "ADDED c");
    let without = WatchOptions { version_match: VersionMatch::Unset, ..options };
    let place = cluster.at("configmaps", "default", "");
    let refused = cluster.registry.watch(&place.context(), &place.resource, &without).await.err().unwrap();
    assert_eq!(refused.code, 422);
}

#[tokio::test]
async fn a_bookmark_says_how_far_a_quiet_watch_has_come() {
    let cluster = Cluster::new().await;
    let options = WatchOptions { allow_bookmarks: true, ..WatchOptions::default() };
    let mut watch = cluster.watch(&cluster.at("configmaps", "kube-public", ""), &options).await;
    assert!(watch.next().now_or_never().is_none());
    let elsewhere = cluster.config_map("a", json!({})).await;
    let Some(Event::Bookmark { revision, initial_events_end: false }) = watch.bookmark() else { panic!("a bookmark") };
    assert_eq!(revision.to_string(), version(&elsewhere));
}

#[tokio::test]
async fn a_version_that_is_forgotten_ends_the_watch_with_an_error_event() {
    let cluster = Cluster::new().await;
    let first = cluster.config_map("a", json!({})).await;
    let filler = "x".repeat(4_000);
    for round in 0..150 {
        let small = json!({"data": {"round": round.to_string()}});
        let patch = if round < 40 { json!({"data": {"big": format!("{round}{filler}")}}) } else { small };
        cluster.merge(&cluster.at("configmaps", "default", "a"), patch).await.unwrap();
    }
    let mut watch = cluster.watch(&cluster.at("configmaps", "default", ""), &after(version(&first))).await;
    assert_eq!(next(&mut watch).await, "ERROR 410 Expired");
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn both_event_groups_show_the_same_events() {
    let cluster = Cluster::new().await;
    let mut watch = cluster.watch(&cluster.at("events/events", "default", ""), &WatchOptions::default()).await;
    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
        "reason": "Pulled", "message": "image is there", "type": "Normal"});
    cluster.create(&cluster.at("events", "default", ""), event).await.unwrap();
    let Some(Event::Added(object)) = watch.next().await else { panic!("it is added") };
    let value = object.value();
    assert_eq!(
        (value["apiVersion"].as_str(), value["note"].as_str()),
        (Some("events.k8s.io/v1"), Some("image is there"))
    );
    assert_eq!(value["regarding"]["name"], "p");
    let place = cluster.at("events/events", "default", "e");
    let refused = cluster.merge(&place, json!({"note": "image was there"})).await.unwrap_err();
    assert!(
        refused.message.ends_with("message: Invalid value: \"image was there\": field is immutable"),
        "{refused:?}"
    );
    cluster.merge(&cluster.at("events", "default", "e"), json!({"message": "image was there"})).await.unwrap();
    assert_eq!(cluster.get(&place).await.unwrap()["note"], "image was there");
    let new = json!({"metadata": {"name": "f"}, "regarding": {"kind": "Pod", "namespace": "default", "name": "q"}, "note": "n",
        "type": "Normal", "reason": "Pulled", "action": "Pull", "reportingController": "sampan.dev/node", "reportingInstance": "n1",
        "eventTime": "2026-01-02T03:04:05.000000Z"});
    cluster.create(&cluster.at("events/events", "default", ""), new).await.unwrap();
    let options = crate::cluster::fields("regarding.name=q");
    let list = cluster.list(&cluster.at("events/events", "default", ""), &options).await.unwrap();
    assert_eq!(crate::cluster::names(&list.objects), ["f"]);
    assert_eq!(list.objects[0].value()["kind"], "Event");
}

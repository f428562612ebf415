use expect_test::{Expect, expect};
use sampan_api::request::AdmitAll;
use sampan_registry::{PatchKind, RequestContext};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Place, deployment};

/// Who owns what: one manager a line.
fn owners(object: &Value) -> String {
    let entries = object["metadata"]["managedFields"].as_array().map_or(&[][..], Vec::as_slice);
    let line = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {} {}: {}",
            text("manager"),
            text("operation"),
            text("subresource"),
            text("apiVersion"),
            entry["fieldsV1"]
        )
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn check(object: &Value, expected: Expect) {
    expected.assert_eq(&owners(object));
}

/// The context of a place for a manager of this name.
fn of<'a>(place: &'a Place, manager: &str) -> RequestContext<'a> {
    RequestContext::new(&place.attributes, &AdmitAll).field_manager(Some(manager.to_owned()))
}

impl Cluster {
    async fn merge_as(&self, place: &Place, manager: &str, patch: Value) -> Value {
        let body = patch.to_string();
        let outcome =
            self.registry.patch(&of(place, manager), &place.resource, PatchKind::Merge, body.as_bytes()).await;
        outcome.unwrap().object.value()
    }
}

#[tokio::test]
async fn the_oldest_of_many_managers_are_merged() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    let mut object = Value::Null;
    for index in 0..12 {
        cluster.clock.advance(std::time::Duration::from_secs(1));
        object = cluster.merge_as(&place, &format!("m{index}"), json!({"data": {format!("k{index}"): "v"}})).await;
    }
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let names: Vec<&str> = entries.iter().map(|entry| entry["manager"].as_str().unwrap()).collect();
    assert_eq!(names, ["ancient-changes", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11"]);
    expect![[r#"{"f:data":{".":{},"f:k0":{},"f:k1":{},"f:k2":{},"f:key":{}}}"#]]
        .assert_eq(&entries[0]["fieldsV1"].to_string());
    assert_eq!(entries[0]["time"], "2026-01-02T03:04:08Z", "the time of the youngest that was merged");
}

#[tokio::test]
async fn a_write_takes_the_fields_it_changes_and_one_that_changes_nothing_none() {
    let cluster = Cluster::new().await;
    let created = cluster.create(&cluster.at("apps/deployments", "default", ""), deployment("web")).await.unwrap();
    let place = cluster.at("apps/deployments", "default", "web");
    let before = cluster.registry.cache().current();
    assert_eq!(cluster.merge_as(&place, "other", json!({"spec": {"replicas": 3}})).await, created);
    assert_eq!(cluster.registry.cache().current(), before);
    let scaled = cluster.merge_as(&place, "other", json!({"spec": {"replicas": 4}})).await;
    let lines = owners(&scaled);
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].starts_with("other Update - apps/v1: {\"f:spec\":{\"f:replicas\":{}}}"), "{lines:?}");
    assert!(lines[1].starts_with("unknown Update") && !lines[1].contains("f:replicas"), "{lines:?}");
}

#[tokio::test]
async fn status_is_owned_through_its_subresource_only() {
    let cluster = Cluster::new().await;
    cluster.create(&cluster.at("apps/deployments", "default", ""), deployment("web")).await.unwrap();
    let place = cluster.at("apps/deployments", "default", "web").subresource("status");
    let patch = json!({"status": {"replicas": 3}, "spec": {"replicas": 9}, "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}});
    let reported = cluster.merge_as(&place, "controller", patch).await;
    let entries = owners(&reported);
    let line = entries.lines().find(|line| line.starts_with("controller")).unwrap();
    expect![[r#"controller Update status apps/v1: {"f:metadata":{"f:annotations":{".":{},"f:c":{}}},"f:status":{"f:replicas":{}}}"#]]
        .assert_eq(line);
}

#[tokio::test]
async fn entries_may_be_replaced_and_forgotten_through_the_main_resource_alone() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    let entry = json!({"manager": "chosen", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "time": "2020-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:key": {}}}});
    let chosen = cluster.merge_as(&place, "other", json!({"metadata": {"managedFields": [entry]}})).await;
    check(&chosen, expect![[r#"chosen Apply - v1: {"f:data":{"f:key":{}}}"#]]);
    let senseless = json!({"metadata": {"managedFields": [{"manager": "x"}]}});
    check(
        &cluster.merge_as(&place, "other", senseless).await,
        expect![[r#"chosen Apply - v1: {"f:data":{"f:key":{}}}"#]],
    );
    for reset in [json!([]), json!([{}])] {
        cluster.merge_as(&place, "other", json!({"metadata": {"managedFields": [entry]}})).await;
        let forgotten = cluster.merge_as(&place, "other", json!({"metadata": {"managedFields": reset}})).await;
        assert!(forgotten["metadata"].get("managedFields").is_none(), "{forgotten}");
        let untracked = cluster.merge_as(&place, "other", json!({"data": {"k": "v"}})).await;
        assert!(untracked["metadata"].get("managedFields").is_none(), "what was forgotten is not tracked");
    }
}

#[tokio::test]
async fn a_blind_update_without_entries_keeps_those_that_are_there() {
    let cluster = Cluster::new().await;
    let mut object = cluster.config_map("a", json!({})).await;
    let before = owners(&object);
    object["metadata"].as_object_mut().unwrap().remove("managedFields");
    let updated = cluster.update(&cluster.at("configmaps", "default", "a"), object).await.unwrap();
    assert_eq!(owners(&updated), before);
}

#[tokio::test]
async fn a_pod_is_owned_as_upstream_has_it() {
    let cluster = Cluster::new().await;
    let pod = json!({"metadata": {"name": "p", "labels": {"app": "p"}}, "spec": {"containers": [
        {"name": "main", "image": "hello:1", "ports": [{"containerPort": 443}, {"containerPort": 80}]}]}});
    let created = cluster.create(&cluster.at("pods", "default", ""), pod).await.unwrap();
    expect![[r#"unknown Update - v1: {"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}},"f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}"#]]
        .assert_eq(&owners(&created));
    let read = cluster
        .registry
        .get(&cluster.at("pods", "default", "p").context(), &cluster.at("pods", "default", "p").resource, "")
        .await
        .unwrap();
    let text = String::from_utf8(read.json().to_vec()).unwrap();
    let (http, https) = (text.find(r#"\"containerPort\":80"#).unwrap(), text.find(r#"\"containerPort\":443"#).unwrap());
    assert!(http < https, "numbers are in the order of their size");
}

#[tokio::test]
async fn a_scale_takes_the_replicas() {
    let cluster = Cluster::new().await;
    cluster.create(&cluster.at("apps/deployments", "default", ""), deployment("web")).await.unwrap();
    let place = cluster.at("apps/deployments", "default", "web").subresource("scale");
    cluster.merge_as(&place, "kubectl", json!({"spec": {"replicas": 5}})).await;
    let deployment = cluster.get(&cluster.at("apps/deployments", "default", "web")).await.unwrap();
    let lines = owners(&deployment);
    let scaled = lines.lines().find(|line| line.starts_with("kubectl")).unwrap();
    expect![[r#"kubectl Update scale apps/v1: {"f:spec":{"f:replicas":{}}}"#]].assert_eq(scaled);
    assert_eq!(lines.matches("f:replicas").count(), 1, "{lines}");
    let before = cluster.registry.cache().current();
    cluster.merge_as(&place, "other", json!({"spec": {"replicas": 5}})).await;
    assert_eq!(cluster.registry.cache().current(), before, "nothing has changed");
}

#[tokio::test]
async fn events_of_the_other_group_are_owned_in_its_words() {
    let cluster = Cluster::new().await;
    let event = json!({"metadata": {"name": "e"}, "note": "pulled", "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reason": "Pulled", "type": "Normal", "action": "Pulling", "reportingController": "test/node", "reportingInstance": "n", "eventTime": "2026-01-02T03:04:05.000000Z"});
    cluster.create(&cluster.at("events/events", "default", ""), event).await.unwrap();
    let core = cluster.at("events", "default", "e");
    let stored = cluster.get(&core).await.unwrap();
    let lines = owners(&stored);
    assert!(lines.starts_with("unknown Update - events.k8s.io/v1:") && lines.contains("f:note"), "{lines}");
    let changed = cluster.merge_as(&core, "other", json!({"message": "pulled again"})).await;
    let lines = owners(&changed);
    assert!(lines.contains(r#"other Update - v1: {"f:message":{}}"#) && !lines.contains("f:note"), "{lines}");
}

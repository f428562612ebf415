use expect_test::expect;
use sampan_meta::object;
use sampan_registry::{DeleteOptions, Deleted, ListOptions, Preconditions, Propagation, WatchOptions};
use serde_json::{Value, json};

use crate::cluster::{Cluster, labels, next, pod, refusal, version};

fn grace(seconds: i64) -> DeleteOptions {
    DeleteOptions { grace_period_seconds: Some(seconds), ..DeleteOptions::default() }
}

fn lingering(deleted: Result<Deleted, sampan_meta::Status>) -> Value {
    match deleted.unwrap() {
        Deleted::Terminating(object) => object.value(),
        Deleted::Gone(status) => panic!("gone: {status}"),
    }
}

fn gone(deleted: Result<Deleted, sampan_meta::Status>) -> Value {
    match deleted.unwrap() {
        Deleted::Gone(status) => status,
        Deleted::Terminating(object) => panic!("still there: {object:?}"),
    }
}

#[tokio::test]
async fn a_plain_object_goes_at_once() {
    let cluster = Cluster::new().await;
    let created = cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    let status = gone(cluster.delete(&place, &DeleteOptions::default()).await);
    assert_eq!(status["status"], "Success");
    assert_eq!(status["details"], json!({"name": "a", "kind": "configmaps", "uid": object::uid(&created)}));
    expect![[r#"404 NotFound: configmaps "a" not found"#]]
        .assert_eq(&refusal(cluster.delete(&place, &DeleteOptions::default()).await));
}

#[tokio::test]
async fn preconditions_have_to_hold() {
    let cluster = Cluster::new().await;
    let created = cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    let with = |uid: &str, resource_version: &str| DeleteOptions {
        preconditions: Preconditions { uid: Some(uid.to_owned()), resource_version: Some(resource_version.to_owned()) },
        ..DeleteOptions::default()
    };
    assert_eq!(cluster.delete(&place, &with("other", version(&created))).await.unwrap_err().code, 409);
    let stale = cluster.delete(&place, &with(object::uid(&created), "1")).await.unwrap_err();
    assert!(stale.message.contains("does not match the ResourceVersion in record"), "{stale}");
    gone(cluster.delete(&place, &with(object::uid(&created), version(&created))).await);
}

#[tokio::test]
async fn a_running_pod_gets_its_grace_which_can_only_be_shortened() {
    let cluster = Cluster::new().await;
    cluster.pod("p", "n1").await;
    let place = cluster.at("pods", "default", "p");
    let first = lingering(cluster.delete(&place, &DeleteOptions::default()).await);
    assert_eq!(first["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(first["metadata"]["deletionTimestamp"], "2026-01-02T03:04:35Z");
    assert_eq!(object::generation(&first), 2);
    assert_eq!(lingering(cluster.delete(&place, &grace(60)).await), first, "never longer");
    assert_eq!(lingering(cluster.delete(&place, &DeleteOptions::default()).await), first);
    let shorter = lingering(cluster.delete(&place, &grace(5)).await);
    assert_eq!(shorter["metadata"]["deletionTimestamp"], "2026-01-02T03:04:10Z");
    gone(cluster.delete(&place, &grace(0)).await);
    assert_eq!(cluster.get(&place).await.unwrap_err().code, 404);
}

#[tokio::test]
async fn a_forced_deletion_is_seen_as_a_change_and_then_as_a_deletion() {
    let cluster = Cluster::new().await;
    cluster.pod("p", "n1").await;
    let mut watch = cluster.watch(&cluster.at("pods", "default", ""), &WatchOptions::default()).await;
    assert_eq!(next(&mut watch).await, "ADDED p");
    gone(cluster.delete(&cluster.at("pods", "default", "p"), &grace(0)).await);
    assert_eq!(next(&mut watch).await, "MODIFIED p");
    assert_eq!(next(&mut watch).await, "DELETED p");
}

#[tokio::test]
async fn pods_that_are_not_on_a_node_or_have_ended_go_at_once() {
    let cluster = Cluster::new().await;
    cluster.pod("waiting", "").await;
    gone(cluster.delete(&cluster.at("pods", "default", "waiting"), &DeleteOptions::default()).await);
    cluster.pod("ended", "n1").await;
    let place = cluster.at("pods", "default", "ended");
    cluster.merge(&place.clone().subresource("status"), json!({"status": {"phase": "Succeeded"}})).await.unwrap();
    gone(cluster.delete(&place, &DeleteOptions::default()).await);
}

#[tokio::test]
async fn the_last_finalizer_takes_the_object_with_it() {
    let cluster = Cluster::new().await;
    let held = json!({"metadata": {"name": "a", "finalizers": ["example.com/one", "example.com/two"]}});
    cluster.create(&cluster.at("configmaps", "default", ""), held).await.unwrap();
    let place = cluster.at("configmaps", "default", "a");
    let marked = lingering(cluster.delete(&place, &DeleteOptions::default()).await);
    assert_eq!(marked["metadata"]["deletionTimestamp"], "2026-01-02T03:04:05Z");
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
    let again = lingering(cluster.delete(&place, &DeleteOptions::default()).await);
    assert_eq!(again, marked, "a second delete changes nothing");
    let added =
        cluster.merge(&place, json!({"metadata": {"finalizers": ["example.com/one", "example.com/new"]}})).await;
    assert!(refusal(added).contains("no new finalizers can be added if the object is being deleted"));
    cluster.merge(&place, json!({"metadata": {"finalizers": ["example.com/two"]}})).await.unwrap();
    assert!(cluster.get(&place).await.is_ok());
    cluster.merge(&place, json!({"metadata": {"finalizers": null}})).await.unwrap();
    assert_eq!(cluster.get(&place).await.unwrap_err().code, 404);
}

#[tokio::test]
async fn a_pod_with_a_finalizer_stays_after_its_grace() {
    let cluster = Cluster::new().await;
    let mut held = pod("p");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.create(&cluster.at("pods", "default", ""), held).await.unwrap();
    let place = cluster.at("pods", "default", "p");
    let marked = lingering(cluster.delete(&place, &grace(0)).await);
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
    cluster.merge(&place, json!({"metadata": {"finalizers": []}})).await.unwrap();
    assert_eq!(cluster.get(&place).await.unwrap_err().code, 404);
}

#[tokio::test]
async fn the_propagation_policy_becomes_a_finalizer() {
    let cluster = Cluster::new().await;
    for (name, policy, expected) in
        [("f", Propagation::Foreground, json!(["foregroundDeletion"])), ("o", Propagation::Orphan, json!(["orphan"]))]
    {
        cluster.config_map(name, json!({})).await;
        let options = DeleteOptions { propagation: Some(policy), ..DeleteOptions::default() };
        let marked = lingering(cluster.delete(&cluster.at("configmaps", "default", name), &options).await);
        assert_eq!(marked["metadata"]["finalizers"], expected);
    }
    let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
    gone(cluster.delete(&cluster.at("configmaps", "default", "o"), &options).await);
}

#[tokio::test]
async fn a_namespace_goes_once_its_finalizer_is_done() {
    let cluster = Cluster::new().await;
    cluster.create(&cluster.at("namespaces", "", ""), json!({"metadata": {"name": "team"}})).await.unwrap();
    let place = cluster.at("namespaces", "", "team");
    let marked = lingering(cluster.delete(&place, &DeleteOptions::default()).await);
    assert_eq!(marked["status"]["phase"], "Terminating");
    assert_eq!(marked["spec"], json!({"finalizers": ["kubernetes"]}));
    let kept = cluster.merge(&place, json!({"spec": {"finalizers": []}})).await.unwrap();
    assert_eq!(kept["spec"], json!({"finalizers": ["kubernetes"]}), "only /finalize changes them");
    let mut done = kept;
    done["spec"] = json!({"finalizers": []});
    cluster.update(&place.clone().subresource("finalize"), done).await.unwrap();
    assert_eq!(cluster.get(&place).await.unwrap_err().code, 404);
    expect![[r#"403 Forbidden: namespaces "default" is forbidden: this namespace may not be deleted"#]]
        .assert_eq(&refusal(cluster.delete(&cluster.at("namespaces", "", "default"), &DeleteOptions::default()).await));
}

#[tokio::test]
async fn a_collection_loses_what_matches() {
    let cluster = Cluster::new().await;
    for (name, tier) in [("a", "x"), ("b", "y"), ("c", "x")] {
        cluster.config_map(name, json!({"tier": tier})).await;
    }
    let place = cluster.at("configmaps", "default", "");
    let deleted = cluster
        .registry
        .delete_collection(&place.context(), &place.resource, &labels("tier=x"), &DeleteOptions::default())
        .await
        .unwrap();
    assert_eq!(crate::cluster::names(&deleted.objects), ["a", "c"]);
    let left = cluster.list(&place, &ListOptions::default()).await.unwrap();
    assert_eq!(crate::cluster::names(&left.objects), ["b"]);
}

#[tokio::test]
async fn a_rehearsed_delete_leaves_the_object() {
    let cluster = Cluster::new().await;
    cluster.pod("p", "n1").await;
    let place = cluster.at("pods", "default", "p");
    let marked = lingering(cluster.delete(&place.clone().rehearsed(), &DeleteOptions::default()).await);
    assert!(object::deletion_timestamp(&marked).is_some());
    assert!(object::deletion_timestamp(&cluster.get(&place).await.unwrap()).is_none());
}

#[test]
fn options_are_read_as_upstream_reads_them() {
    let parsed = DeleteOptions::parse(&json!({"gracePeriodSeconds": 5, "propagationPolicy": "Foreground",
        "preconditions": {"uid": "u"}}))
    .unwrap();
    assert_eq!((parsed.grace_period_seconds, parsed.propagation), (Some(5), Some(Propagation::Foreground)));
    assert_eq!(parsed.preconditions.uid.as_deref(), Some("u"));
    assert_eq!(
        DeleteOptions::parse(&json!({"orphanDependents": true})).unwrap().propagation,
        Some(Propagation::Orphan)
    );
    assert_eq!(DeleteOptions::parse(&json!({"propagationPolicy": "Sideways"})).unwrap_err().code, 422);
    assert_eq!(DeleteOptions::parse(&Value::Null).unwrap(), DeleteOptions::default());
}

use expect_test::expect;
use sampan_meta::object;
use serde_json::json;

use crate::cluster::{Cluster, deployment, pod, refusal, version};

#[tokio::test]
async fn an_update_of_an_older_version_is_a_conflict() {
    let cluster = Cluster::new().await;
    let first = cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    let mut changed = first.clone();
    changed["data"]["key"] = "other".into();
    let second = cluster.update(&place, changed.clone()).await.unwrap();
    assert_ne!(version(&first), version(&second));
    let late = cluster.update(&place, changed).await;
    expect![[r#"409 Conflict: Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again"#]]
        .assert_eq(&refusal(late));
    let mut stranger = second.clone();
    stranger["metadata"]["uid"] = "other".into();
    assert_eq!(cluster.update(&place, stranger).await.unwrap_err().code, 409);
}

#[tokio::test]
async fn a_blind_update_replaces_what_is_there_where_the_kind_allows_it() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    let blind = cluster.update(&place, json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).await.unwrap();
    assert_eq!(blind["data"], json!({"k": "v"}));
    let lease = json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}});
    let leases = cluster.at("coordination/leases", "default", "l");
    cluster.create(&leases, lease.clone()).await.unwrap();
    expect![[r#"422 Invalid: Lease.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"#]]
        .assert_eq(&refusal(cluster.update(&leases, lease).await));
    let absent = cluster.update(&cluster.at("configmaps", "default", "b"), json!({"metadata": {"name": "b"}})).await;
    expect![[r#"404 NotFound: configmaps "b" not found"#]].assert_eq(&refusal(absent));
}

#[tokio::test]
async fn a_put_creates_where_the_kind_allows_it() {
    let cluster = Cluster::new().await;
    let place = cluster.at("rbac/roles", "default", "system:reader");
    let role = json!({"metadata": {"name": "system:reader"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    let updated = cluster.registry.update(&place.context(), &place.resource, role.clone()).await.unwrap();
    assert!(updated.created);
    let updated = cluster.registry.update(&place.context(), &place.resource, role).await.unwrap();
    assert!(!updated.created);
}

#[tokio::test]
async fn a_write_that_changes_nothing_does_not_reach_the_store() {
    let cluster = Cluster::new().await;
    let created = cluster.create(&cluster.at("apps/deployments", "default", ""), deployment("web")).await.unwrap();
    let place = cluster.at("apps/deployments", "default", "web");
    let before = cluster.registry.cache().current();
    assert_eq!(cluster.update(&place, created.clone()).await.unwrap(), created);
    assert_eq!(cluster.merge(&place, json!({"spec": {"replicas": 3}})).await.unwrap(), created);
    assert_eq!(cluster.registry.cache().current(), before);
}

#[tokio::test]
async fn only_a_change_of_the_spec_raises_the_generation() {
    let cluster = Cluster::new().await;
    cluster.create(&cluster.at("apps/deployments", "default", ""), deployment("web")).await.unwrap();
    let place = cluster.at("apps/deployments", "default", "web");
    let labelled = cluster.merge(&place, json!({"metadata": {"labels": {"a": "b"}}})).await.unwrap();
    assert_eq!(object::generation(&labelled), 1);
    let status = json!({"status": {"replicas": 3}, "spec": {"replicas": 9}, "metadata": {"labels": {"a": "c"}}});
    let reported = cluster.merge(&place.clone().subresource("status"), status).await.unwrap();
    assert_eq!(object::generation(&reported), 1);
    assert_eq!(reported["status"]["replicas"], 3);
    assert_eq!(reported["spec"]["replicas"], 3, "status writes leave the spec alone");
    assert_eq!(object::label(&reported, "a"), Some("b"), "and a deployment's labels");
    let scaled = cluster.merge(&place, json!({"spec": {"replicas": 5}, "status": {"replicas": 9}})).await.unwrap();
    assert_eq!(object::generation(&scaled), 2);
    assert_eq!(scaled["status"]["replicas"], 3, "writes to the main resource leave the status alone");
}

#[tokio::test]
async fn metadata_of_the_server_survives_whatever_a_client_sends() {
    let cluster = Cluster::new().await;
    let created = cluster.create(&cluster.at("pods", "default", ""), pod("p")).await.unwrap();
    let mut sent = created.clone();
    sent["metadata"] =
        json!({"name": "p", "labels": {"new": "1"}, "deletionTimestamp": "2001-01-01T00:00:00Z", "generation": 9});
    let updated = cluster.update(&cluster.at("pods", "default", "p"), sent).await.unwrap();
    for field in ["uid", "creationTimestamp", "namespace", "generation"] {
        assert_eq!(updated["metadata"][field], created["metadata"][field], "{field}");
    }
    assert!(updated["metadata"].get("deletionTimestamp").is_none());
    let renamed = cluster.merge(&cluster.at("pods", "default", "p"), json!({"metadata": {"name": "q"}})).await;
    expect![[r#"422 Invalid: Pod "q" is invalid: metadata.name: Invalid value: "q": field is immutable"#]]
        .assert_eq(&refusal(renamed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blind_changes_of_many_clients_are_all_kept() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    // No more than there are retries, so that even the unluckiest gets through.
    let patches = (0..6).map(|at| cluster.merge(&place, json!({"data": {format!("k{at}"): "v"}})));
    for outcome in futures::future::join_all(patches).await {
        outcome.unwrap();
    }
    let object = cluster.get(&place).await.unwrap();
    assert_eq!(object["data"].as_object().unwrap().len(), 7);
}

#[tokio::test]
async fn a_registry_that_lags_behind_another_still_decides_by_the_present_state() {
    let cluster = Cluster::new().await;
    let other = cluster.another().await;
    let created = cluster.config_map("a", json!({})).await;
    let mut changed = created.clone();
    changed["data"]["key"] = "other".into();
    let place = other.at("configmaps", "default", "a");
    let changed = other.update(&place, changed).await.unwrap();
    let gone = cluster.delete(&cluster.at("configmaps", "default", "a"), &Default::default()).await;
    assert!(gone.is_ok(), "{gone:?}");
    assert_eq!(other.update(&place, changed).await.unwrap_err().code, 404);
}

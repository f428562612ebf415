//! What goes when its owner or its namespace goes.

use std::time::Duration;

use sampan_client::{DeleteParams, PropagationPolicy};
use serde_json::{Value, json};

use crate::harness::Cluster;

fn map(namespace: &str, name: &str, owner: Option<&Value>) -> Value {
    let reference = |owner: &Value| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": true,
        })
    };
    let owners: Vec<Value> = owner.map(reference).into_iter().collect();
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "namespace": namespace, "name": name, "ownerReferences": owners },
    })
}

async fn create(cluster: &Cluster, object: Value) -> Value {
    serde_json::to_value(cluster.apply("v1", "ConfigMap", object).await).expect("json")
}

/// The names of the ConfigMaps of `default`, without the one every namespace has.
async fn names(cluster: &Cluster) -> Vec<String> {
    let maps = cluster.list("v1", "ConfigMap", "default").await;
    let names = maps.iter().filter_map(|map| map["metadata"]["name"].as_str()).map(str::to_owned);
    names.filter(|name| name != "kube-root-ca.crt").collect()
}

/// An owner with a child and a grandchild; returns when the owner is deleted in this way.
async fn delete_owner(cluster: &Cluster, policy: PropagationPolicy) {
    let owner = create(cluster, map("default", "owner", None)).await;
    let child = create(cluster, map("default", "child", Some(&owner))).await;
    create(cluster, map("default", "grandchild", Some(&child))).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let parameters = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
    cluster.api("v1", "ConfigMap", "default").delete("owner", &parameters).await.expect("it is there");
}

#[tokio::test(start_paused = true)]
async fn dependents_follow_in_the_background() {
    let cluster = Cluster::start().await;
    delete_owner(&cluster, PropagationPolicy::Background).await;
    cluster.eventually("all are gone", || async { names(&cluster).await.is_empty() }).await;
}

#[tokio::test(start_paused = true)]
async fn in_the_foreground_the_owner_goes_last() {
    let cluster = Cluster::start().await;
    delete_owner(&cluster, PropagationPolicy::Foreground).await;
    cluster
        .eventually("all are gone", || async {
            let names = names(&cluster).await;
            assert!(names.is_empty() || names.contains(&"owner".to_owned()), "the owner went before {names:?}");
            names.is_empty()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn orphans_stay_and_forget_their_owner() {
    let cluster = Cluster::start().await;
    delete_owner(&cluster, PropagationPolicy::Orphan).await;
    cluster.eventually("the owner is gone", || async { names(&cluster).await == ["child", "grandchild"] }).await;
    let child = cluster.get("v1", "ConfigMap", "default", "child").await;
    assert!(child["metadata"]["ownerReferences"].is_null(), "{child}");
    cluster.assert_settled().await;
    assert_eq!(names(&cluster).await, ["child", "grandchild"]);
}

#[tokio::test(start_paused = true)]
async fn what_names_an_owner_that_never_was_goes_and_what_has_another_stays() {
    let cluster = Cluster::start().await;
    let ghost = json!({ "metadata": { "name": "ghost", "uid": "no-such-uid" } });
    let real = create(&cluster, map("default", "real", None)).await;
    let mut both = map("default", "both", Some(&real));
    let reference = map("default", "x", Some(&ghost))["metadata"]["ownerReferences"][0].clone();
    both["metadata"]["ownerReferences"].as_array_mut().expect("a list").push(reference);
    create(&cluster, both).await;
    create(&cluster, map("default", "haunted", Some(&ghost))).await;
    cluster.eventually("the haunted one is gone", || async { names(&cluster).await == ["both", "real"] }).await;
    cluster
        .eventually("the ghost is forgotten", || async {
            let both = cluster.get("v1", "ConfigMap", "default", "both").await;
            both["metadata"]["ownerReferences"].as_array().is_some_and(|owners| owners.len() == 1)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_gets_what_pods_need_and_takes_everything_along() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } });
    cluster.apply("v1", "Namespace", namespace).await;
    cluster
        .eventually("account and certificates are there", || async {
            let account = cluster.get("v1", "ServiceAccount", "shop", "default").await;
            let map = cluster.get("v1", "ConfigMap", "shop", "kube-root-ca.crt").await;
            !account.is_null() && map["data"]["ca.crt"] == "ROOT CA"
        })
        .await;
    create(&cluster, map("shop", "settings", None)).await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "shop", "name": "till" },
        "spec": { "containers": [{ "name": "main", "image": "till:1" }] },
    });
    cluster.apply("v1", "Pod", pod).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.api("v1", "Namespace", "").delete("shop", &DeleteParams::default()).await.expect("it is there");
    cluster
        .eventually("the namespace is gone", || async { cluster.get("v1", "Namespace", "", "shop").await.is_null() })
        .await;
    assert!(cluster.list("v1", "Pod", "shop").await.is_empty());
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_held_by_a_finalizer_says_what_holds_it() {
    let cluster = Cluster::start().await;
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } });
    cluster.apply("v1", "Namespace", namespace).await;
    let mut held = map("shop", "held", None);
    held["metadata"]["finalizers"] = json!(["example.test/hold"]);
    create(&cluster, held).await;
    cluster.api("v1", "Namespace", "").delete("shop", &DeleteParams::default()).await.expect("it is there");
    cluster
        .eventually("it says so", || async {
            let shop = cluster.get("v1", "Namespace", "", "shop").await;
            let conditions = shop["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|condition| condition["reason"] == "SomeFinalizersRemain")
        })
        .await;
    cluster.patch("v1", "ConfigMap", "shop", "held", json!({ "metadata": { "finalizers": null } })).await;
    cluster
        .eventually("the namespace is gone", || async { cluster.get("v1", "Namespace", "", "shop").await.is_null() })
        .await;
}

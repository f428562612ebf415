use expect_test::expect;
use sampan_meta::object;
use serde_json::json;

use crate::cluster::{Cluster, pod, refusal};

#[tokio::test]
async fn the_server_owns_identity_times_status_and_generation() {
    let cluster = Cluster::new().await;
    let mut sent = pod("p");
    sent["metadata"]["uid"] = "mine".into();
    sent["metadata"]["generation"] = 7.into();
    sent["metadata"]["creationTimestamp"] = "2001-01-01T00:00:00Z".into();
    sent["metadata"]["deletionTimestamp"] = "2001-01-01T00:00:00Z".into();
    sent["metadata"]["managedFields"] = json!([{"manager": "me"}]);
    sent["status"] = json!({"phase": "Running", "podIP": "10.0.0.1"});
    let created = cluster.create(&cluster.at("pods", "default", ""), sent).await.unwrap();
    assert_eq!(object::uid(&created).len(), 36);
    assert_eq!(object::generation(&created), 1);
    assert_eq!(created["metadata"]["creationTimestamp"], "2026-01-02T03:04:05Z");
    assert_eq!(created["metadata"]["namespace"], "default");
    assert!(created["metadata"].get("deletionTimestamp").is_none());
    assert_eq!(
        created["metadata"]["managedFields"][0]["manager"], "unknown",
        "entries that make no sense are replaced"
    );
    assert_eq!(created["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
    assert_eq!((created["apiVersion"].as_str(), created["kind"].as_str()), (Some("v1"), Some("Pod")));
    let read = cluster.get(&cluster.at("pods", "default", "p")).await.unwrap();
    assert_eq!(read, created);
}

#[tokio::test]
async fn a_taken_name_is_a_conflict_and_a_generated_one_is_made_anew() {
    let cluster = Cluster::new().await;
    let place = cluster.at("configmaps", "default", "");
    cluster.config_map("a", json!({})).await;
    let again = cluster.create(&place, json!({"metadata": {"name": "a"}})).await;
    expect![[r#"409 AlreadyExists: configmaps "a" already exists"#]].assert_eq(&refusal(again));
    let base = "a-very-long-base-that-has-more-letters-than-a-generated-name-keeps-";
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let made = cluster.create(&place, json!({"metadata": {"generateName": base}})).await.unwrap();
        assert!(object::name(&made).starts_with(&base[..58]) && object::name(&made).len() == 63);
        assert!(seen.insert(object::name(&made).to_owned()));
    }
}

#[tokio::test]
async fn names_and_namespaces_have_to_fit_the_path() {
    let cluster = Cluster::new().await;
    let place = cluster.at("configmaps", "default", "");
    let check = async |object, expected: expect_test::Expect| {
        expected.assert_eq(&refusal(cluster.create(&place, object).await))
    };
    check(
        json!({"metadata": {"name": "a", "namespace": "kube-system"}}),
        expect![
            "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request"
        ],
    )
    .await;
    check(
        json!({"metadata": {"name": "a", "resourceVersion": "1"}}),
        expect!["400 BadRequest: resourceVersion should not be set on objects to be created"],
    )
    .await;
    check(
        json!({"metadata": {}}),
        expect![[
            r#"422 Invalid: ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required"#
        ]],
    )
    .await;
    check(
        json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}}),
        expect!["400 BadRequest: the object provided is unrecognized as /v1, Kind=ConfigMap: it is /v1, Kind=Secret"],
    )
    .await;
    check(json!([]), expect!["400 BadRequest: a ConfigMap must be an object"]).await;
}

#[tokio::test]
async fn a_namespace_has_to_be_there_and_to_stay() {
    let cluster = Cluster::new().await;
    let nowhere = cluster.create(&cluster.at("pods", "nowhere", ""), pod("p")).await;
    expect![[r#"404 NotFound: namespaces "nowhere" not found"#]].assert_eq(&refusal(nowhere));
    cluster.create(&cluster.at("namespaces", "", ""), json!({"metadata": {"name": "going"}})).await.unwrap();
    cluster.delete(&cluster.at("namespaces", "", "going"), &Default::default()).await.unwrap();
    let late = cluster.create(&cluster.at("pods", "going", ""), pod("p")).await;
    expect![[r#"403 Forbidden: pods "p" is forbidden: unable to create new content in namespace going because it is being terminated"#]]
        .assert_eq(&refusal(late));
}

#[tokio::test]
async fn a_rehearsal_answers_like_a_write_and_leaves_nothing() {
    let cluster = Cluster::new().await;
    let place = cluster.at("pods", "default", "").rehearsed();
    let before = cluster.registry.cache().current();
    let answer = cluster.create(&place, pod("p")).await.unwrap();
    assert_eq!(answer["status"]["phase"], "Pending");
    assert_eq!(cluster.registry.cache().current(), before);
    assert_eq!(cluster.get(&cluster.at("pods", "default", "p")).await.unwrap_err().code, 404);
    cluster.pod("p", "").await;
    assert_eq!(cluster.create(&place, pod("p")).await.unwrap_err().code, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_creates_of_a_name_wins() {
    let cluster = Cluster::new().await;
    let creates = (0..32).map(|_| cluster.create(Box::leak(Box::new(cluster.at("pods", "default", ""))), pod("p")));
    let outcomes = futures::future::join_all(creates).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|status| status.is_already_exists()));
}

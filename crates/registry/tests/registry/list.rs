use expect_test::expect;
use sampan_registry::{List, ListOptions, VersionMatch};
use serde_json::json;

use crate::cluster::{Cluster, fields, labels, names, refusal};

async fn filled(count: usize) -> Cluster {
    let cluster = Cluster::new().await;
    for at in 0..count {
        cluster
            .config_map(&format!("c{at:02}"), json!({"half": if at < count / 2 { "first" } else { "second" }}))
            .await;
    }
    cluster
}

fn page(limit: usize, token: &str) -> ListOptions {
    ListOptions { limit, continue_token: token.to_owned(), ..ListOptions::default() }
}

#[tokio::test]
async fn pages_show_one_state_whatever_is_written_meanwhile() {
    let cluster = filled(10).await;
    let place = cluster.at("configmaps", "default", "");
    let first = cluster.list(&place, &page(4, "")).await.unwrap();
    assert_eq!((first.objects.len(), first.remaining), (4, Some(6)));
    cluster.config_map("c03a", json!({})).await;
    cluster.delete(&cluster.at("configmaps", "default", "c05"), &Default::default()).await.unwrap();
    cluster.merge(&cluster.at("configmaps", "default", "c06"), json!({"data": {"key": "new"}})).await.unwrap();
    let mut seen: Vec<String> = names(&first.objects).iter().map(|name| (*name).to_owned()).collect();
    let mut list: List = first;
    let revision = list.revision;
    while !list.continue_token.is_empty() {
        list = cluster.list(&place, &page(4, &list.continue_token)).await.unwrap();
        assert_eq!(list.revision, revision);
        assert!(list.objects.iter().all(|object| object.value()["data"]["key"] == "value"));
        seen.extend(list.objects.iter().map(|object| object.name().to_owned()));
    }
    assert_eq!(list.remaining, None);
    assert_eq!(seen, (0..10).map(|at| format!("c{at:02}")).collect::<Vec<_>>());
    let now = cluster.list(&place, &ListOptions::default()).await.unwrap();
    assert!(names(&now.objects).contains(&"c03a") && !names(&now.objects).contains(&"c05"));
}

#[tokio::test]
async fn all_namespaces_are_paged_in_order() {
    let cluster = Cluster::new().await;
    for namespace in ["default", "kube-public", "kube-system"] {
        for name in ["a", "b"] {
            cluster
                .create(&cluster.at("configmaps", namespace, ""), json!({"metadata": {"name": name}}))
                .await
                .unwrap();
        }
    }
    let place = cluster.at("configmaps", "", "");
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let list = cluster.list(&place, &page(1, &token)).await.unwrap();
        seen.extend(list.objects.iter().map(|object| format!("{}/{}", object.namespace(), object.name())));
        if list.continue_token.is_empty() {
            break;
        }
        token = list.continue_token;
    }
    assert_eq!(seen, ["default/a", "default/b", "kube-public/a", "kube-public/b", "kube-system/a", "kube-system/b"]);
}

#[tokio::test]
async fn an_expired_token_comes_back_with_one_that_goes_on() {
    let cluster = filled(4).await;
    let place = cluster.at("configmaps", "default", "");
    let first = cluster.list(&place, &page(2, "")).await.unwrap();
    // The history of a resource is bounded by bytes; overwrite until the first page's state is forgotten.
    let filler = "x".repeat(4_000);
    cluster.config_map("filler", json!({})).await;
    for round in 0..160 {
        let patch = json!({"data": {"big": if round < 40 { format!("{round}{filler}") } else { round.to_string() }}});
        cluster.merge(&cluster.at("configmaps", "default", "filler"), patch).await.unwrap();
    }
    let expired = cluster.list(&place, &page(2, &first.continue_token)).await.unwrap_err();
    assert_eq!((expired.code, expired.reason.as_str()), (410, "Expired"));
    let fresh = expired.metadata["continue"].as_str().unwrap();
    let rest = cluster.list(&place, &page(10, fresh)).await.unwrap();
    assert_eq!(names(&rest.objects), ["c02", "c03", "filler"]);
}

#[tokio::test]
async fn versions_mean_what_upstream_says() {
    let cluster = filled(2).await;
    let place = cluster.at("configmaps", "default", "");
    let then = cluster.list(&place, &ListOptions::default()).await.unwrap().revision;
    cluster.config_map("later", json!({})).await;
    let at = |version: String, version_match| ListOptions {
        resource_version: version,
        version_match,
        ..ListOptions::default()
    };
    let exact = cluster.list(&place, &at(then.to_string(), VersionMatch::Exact)).await.unwrap();
    assert_eq!((names(&exact.objects), exact.revision), (vec!["c00", "c01"], then));
    let newer = cluster.list(&place, &at(then.to_string(), VersionMatch::NotOlderThan)).await.unwrap();
    assert_eq!(newer.objects.len(), 3);
    assert_eq!(cluster.list(&place, &at("0".into(), VersionMatch::Unset)).await.unwrap().objects.len(), 3);
    let limited = ListOptions { limit: 5, ..at(then.to_string(), VersionMatch::Unset) };
    assert_eq!(cluster.list(&place, &limited).await.unwrap().objects.len(), 2, "a limit makes it exact");
    let future = cluster.list(&place, &at((then + 100).to_string(), VersionMatch::Unset)).await.unwrap_err();
    assert_eq!(future.code, 504);
    assert!(future.has_cause("ResourceVersionTooLarge"));
    assert_eq!(cluster.list(&place, &at("x".into(), VersionMatch::Unset)).await.unwrap_err().code, 400);
}

#[tokio::test]
async fn contradictory_options_are_refused() {
    let cluster = Cluster::new().await;
    let place = cluster.at("configmaps", "default", "");
    let check = async |options: ListOptions, expected: expect_test::Expect| {
        expected.assert_eq(&refusal(cluster.list(&place, &options).await));
    };
    check(
        ListOptions { version_match: VersionMatch::Exact, ..ListOptions::default() },
        expect![[r#"422 Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"#]],
    )
    .await;
    check(
        ListOptions { version_match: VersionMatch::Exact, resource_version: "0".into(), ..ListOptions::default() },
        expect![[r#"422 Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "Exact" is forbidden for resourceVersion "0""#]],
    )
    .await;
    check(
        ListOptions { send_initial_events: Some(true), ..ListOptions::default() },
        expect![[r#"422 Invalid: ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"#]],
    )
    .await;
    check(page(1, "nonsense"), expect!["400 BadRequest: continue key is not valid: it holds no position"]).await;
    check(fields("spec.color=red"), expect!["400 BadRequest: field label not supported: spec.color"]).await;
}

#[tokio::test]
async fn selectors_choose_by_labels_fields_and_node() {
    let cluster = filled(4).await;
    let place = cluster.at("configmaps", "default", "");
    let first = cluster.list(&place, &labels("half=first")).await.unwrap();
    assert_eq!(names(&first.objects), ["c00", "c01"]);
    let paged = cluster.list(&place, &ListOptions { limit: 1, ..labels("half=first") }).await.unwrap();
    assert_eq!(paged.remaining, None, "what a selector leaves is not counted");
    assert!(!paged.continue_token.is_empty());
    let one = cluster.list(&place, &fields("metadata.name=c02")).await.unwrap();
    assert_eq!(names(&one.objects), ["c02"]);
    let others = cluster.list(&place, &fields("metadata.name!=c02,metadata.namespace=default")).await.unwrap();
    assert_eq!(others.objects.len(), 3);
    assert!(cluster.list(&place, &fields("metadata.namespace=other")).await.unwrap().objects.is_empty());
    for (name, node) in [("p1", "n1"), ("p2", "n2"), ("p3", "n1"), ("p4", "")] {
        cluster.pod(name, node).await;
    }
    let pods = cluster.at("pods", "", "");
    assert_eq!(names(&cluster.list(&pods, &fields("spec.nodeName=n1")).await.unwrap().objects), ["p1", "p3"]);
    assert_eq!(names(&cluster.list(&pods, &fields("spec.nodeName=")).await.unwrap().objects), ["p4"]);
    let page_of_node = ListOptions { limit: 1, ..fields("spec.nodeName=n1") };
    let first = cluster.list(&pods, &page_of_node).await.unwrap();
    let rest = ListOptions { continue_token: first.continue_token, ..page_of_node };
    assert_eq!(names(&cluster.list(&pods, &rest).await.unwrap().objects), ["p3"]);
}

#[tokio::test]
async fn a_read_sees_what_another_process_has_written() {
    let cluster = Cluster::new().await;
    let other = cluster.another().await;
    for at in 0..50 {
        let name = format!("c{at}");
        cluster.config_map(&name, json!({})).await;
        assert!(other.get(&other.at("configmaps", "default", &name)).await.is_ok());
        assert_eq!(
            other.list(&other.at("configmaps", "default", ""), &ListOptions::default()).await.unwrap().objects.len(),
            at + 1
        );
    }
}

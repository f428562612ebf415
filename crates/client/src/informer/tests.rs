use std::time::Duration;

use sampan_api::k8s::api::core::v1::Pod;
use sampan_meta::SeededEntropy;
use serde_json::json;

use super::*;
use crate::fake::{FakeServer, pod};
use crate::{ApiResource, ResourceExt};

const PODS: &str = "/api/v1/namespaces/default/pods";

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(SeededEntropy::new(1))
}

fn builder(server: &FakeServer) -> InformerBuilder<Pod> {
    Informer::builder(Api::all(server.client()))
}

async fn started(server: &FakeServer) -> Informer<Pod> {
    let informer = builder(server).start(entropy());
    informer.synced().await;
    informer
}

fn path(name: &str) -> String {
    format!("{PODS}/{name}")
}

fn names(pods: &[Arc<Pod>]) -> Vec<String> {
    pods.iter().map(|pod| pod.name_any()).collect()
}

/// What happened, as `+web` (new), `~web` (changed), `-web` (deleted).
async fn next(changes: &mut Subscription<Pod>) -> String {
    let change = changes.next().await.expect("the informer lives");
    let sign = match (&change.old, &change.new) {
        (None, _) => '+',
        (Some(_), Some(_)) => '~',
        (Some(_), None) => '-',
    };
    format!("{sign}{}", change.object().name_any())
}

#[tokio::test(start_paused = true)]
async fn the_cache_follows_the_server() {
    let server = FakeServer::new();
    server.create(PODS, pod("default", "a"));
    server.create("/api/v1/namespaces/other/pods", pod("other", "z"));
    let informer = started(&server).await;
    assert_eq!(names(&informer.list()), ["a", "z"]);
    assert_eq!(names(&informer.list_namespace("default")), ["a"]);

    let mut changes = informer.subscribe();
    assert_eq!(next(&mut changes).await, "+a");
    assert_eq!(next(&mut changes).await, "+z");
    server.create(PODS, pod("default", "b"));
    assert_eq!(next(&mut changes).await, "+b");
    server.patch(&path("b"), json!({ "spec": { "nodeName": "edge-1" } }));
    assert_eq!(next(&mut changes).await, "~b");
    server.delete(&path("a"));
    assert_eq!(next(&mut changes).await, "-a");
    assert!(informer.get(&NamespacedName::new("default", "a")).is_none());
    assert_eq!(informer.version(), 5);
}

#[tokio::test(start_paused = true)]
async fn lists_longer_than_a_page_arrive_whole() {
    let server = FakeServer::new();
    for number in 0..1201 {
        server.create(PODS, pod("default", &format!("pod-{number:04}")));
    }
    let informer = started(&server).await;
    assert_eq!(informer.len(), 1201);
    assert_eq!(server.requests("limit=500"), 3);
    assert_eq!(informer.version(), 1201);
}

#[tokio::test(start_paused = true)]
async fn indices_follow_changes_and_may_be_added_late() {
    let server = FakeServer::new();
    server.create(PODS, pod("default", "a"));
    let informer = started(&server).await;
    let node = |pod: &Pod| pod.spec.iter().filter_map(|spec| spec.node_name.clone()).collect();
    informer.add_index("node", node);
    let mut changes = informer.subscribe();
    next(&mut changes).await;
    server.patch(&path("a"), json!({ "spec": { "nodeName": "edge-1" } }));
    next(&mut changes).await;
    assert_eq!(names(&informer.by_index("node", "edge-1")), ["a"]);
    server.patch(&path("a"), json!({ "spec": { "nodeName": "edge-2" } }));
    next(&mut changes).await;
    assert!(informer.by_index("node", "edge-1").is_empty());
    server.delete(&path("a"));
    next(&mut changes).await;
    assert!(informer.by_index("node", "edge-2").is_empty());
}

#[tokio::test(start_paused = true)]
async fn selectors_narrow_what_is_watched() {
    let server = FakeServer::new();
    let informer = builder(&server).fields("spec.nodeName=edge-1").labels("app=web").start(entropy());
    informer.synced().await;
    let mut changes = informer.subscribe();
    server.create(PODS, pod("default", "elsewhere"));
    let mut here = pod("default", "here");
    here["spec"]["nodeName"] = json!("edge-1");
    here["metadata"]["labels"] = json!({ "app": "web" });
    server.create(PODS, here);
    assert_eq!(next(&mut changes).await, "+here");
    assert_eq!(informer.len(), 1);
    let selector = LabelSelector::parse("app in (web, api)").expect("valid");
    assert_eq!(names(&informer.list_matching("default", &selector)), ["here"]);
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_the_watch_was_away_is_not_missed() {
    let server = FakeServer::new();
    server.create(PODS, pod("default", "a"));
    let informer = started(&server).await;
    let mut changes = informer.subscribe();
    next(&mut changes).await;
    server.end_watches();
    server.create(PODS, pod("default", "b"));
    assert_eq!(next(&mut changes).await, "+b");
    server.fail_next(3, 503);
    server.end_watches();
    server.delete(&path("a"));
    assert_eq!(next(&mut changes).await, "-a");
    assert_eq!(server.requests("limit=500"), 1, "the watch is resumed, not listed again");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_keeps_nobody_from_the_others() {
    let server = FakeServer::new();
    server.create(PODS, pod("default", "a"));
    let informer = started(&server).await;
    let mut changes = informer.subscribe();
    assert_eq!(next(&mut changes).await, "+a");
    let mut odd = pod("default", "odd");
    odd["spec"]["nodeName"] = json!({ "not": "a name" });
    server.create(PODS, odd);
    server.create(PODS, pod("default", "b"));
    assert_eq!(next(&mut changes).await, "+b");
    server.delete(&path("odd"));
    server.create(PODS, pod("default", "c"));
    assert_eq!(next(&mut changes).await, "+c");
    assert_eq!(names(&informer.list()), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_leads_to_a_new_list_that_says_what_changed() {
    let server = FakeServer::new();
    server.create(PODS, pod("default", "kept"));
    server.create(PODS, pod("default", "lost"));
    let informer = started(&server).await;
    let mut changes = informer.subscribe();
    next(&mut changes).await;
    next(&mut changes).await;
    server.fail_next(1, 500);
    server.end_watches();
    tokio::task::yield_now().await;
    server.delete(&path("lost"));
    server.create(PODS, pod("default", "new"));
    server.compact();
    assert_eq!(next(&mut changes).await, "+new");
    assert_eq!(next(&mut changes).await, "-lost");
    assert_eq!(server.requests("limit=500"), 2);
    assert_eq!(informer.failure(), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_every_watch_at_once_is_not_asked_in_a_circle() {
    let server = FakeServer::new();
    let informer = started(&server).await;
    for _ in 0..1000 {
        server.end_watches();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let watches = server.requests("watch=true");
    assert!(watches < 20, "{watches} watches in ten seconds");
    drop(informer);
}

#[tokio::test(start_paused = true)]
async fn the_first_list_is_tried_until_it_succeeds() {
    let server = FakeServer::new();
    server.create(PODS, pod("default", "a"));
    server.fail_next(5, 503);
    let informer = builder(&server).start(entropy());
    assert!(!informer.is_synced());
    informer.synced().await;
    assert_eq!(informer.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_sees_updates_merged_but_every_life_and_death() {
    let server = FakeServer::new();
    let informer = started(&server).await;
    let mut slow = informer.subscribe();
    let mut quick = informer.subscribe();
    server.create(PODS, pod("default", "a"));
    assert_eq!(next(&mut quick).await, "+a");
    for node in ["edge-1", "edge-2", "edge-3"] {
        server.patch(&path("a"), json!({ "spec": { "nodeName": node } }));
        assert_eq!(next(&mut quick).await, "~a");
    }
    server.delete(&path("a"));
    assert_eq!(next(&mut quick).await, "-a");
    server.create(PODS, pod("default", "a"));
    assert_eq!(next(&mut quick).await, "+a");

    let first = slow.next().await.expect("the informer lives");
    assert!(first.old.is_none(), "the first life, with all its changes");
    assert_eq!(first.object().spec.as_ref().and_then(|spec| spec.node_name.as_deref()), Some("edge-3"));
    assert_eq!(next(&mut slow).await, "-a");
    assert_eq!(next(&mut slow).await, "+a");
    assert!(slow.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn managed_fields_are_not_kept_and_a_transform_drops_more() {
    let server = FakeServer::new();
    let mut managed = pod("default", "a");
    managed["metadata"]["managedFields"] = json!([{ "manager": "kubectl" }]);
    server.create(PODS, managed);
    let informer = builder(&server).transform(|pod| pod.spec = None).start(entropy());
    informer.synced().await;
    let kept = informer.get(&NamespacedName::new("default", "a")).expect("listed");
    assert!(kept.metadata.managed_fields.is_none());
    assert!(kept.spec.is_none());
}

#[tokio::test(start_paused = true)]
async fn metadata_of_a_kind_known_at_run_time_can_be_watched() {
    let server = FakeServer::new();
    server.create(PODS, pod("default", "a"));
    let resource = ApiResource::erase::<Pod>(&());
    let informer = Informer::metadata(Api::all_with(server.client(), &resource)).start(entropy());
    informer.synced().await;
    assert_eq!(informer.list()[0].name_any(), "a");
}

#[tokio::test(start_paused = true)]
async fn one_watch_serves_everybody_and_ends_with_the_last() {
    let server = FakeServer::new();
    let informers = Informers::new(server.client(), entropy());
    let (first, second) = (informers.of::<Pod>(), informers.of::<Pod>());
    first.synced().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.requests("watch=true"), 1);
    let mut changes = second.subscribe();
    drop((informers, first, second));
    assert!(changes.next().await.is_none());
    server.end_watches();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(server.requests("watch=true"), 1);
}

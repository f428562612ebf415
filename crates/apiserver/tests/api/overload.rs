//! Too much at once, too slow, too long.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::StreamBody;
use sampan_api::request::User;
use sampan_apiserver::Limits;
use serde_json::json;
use tower::Service as _;

use crate::harness::{Cluster, admin};

const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// A body that never ends.
fn endless() -> StreamBody<impl futures::Stream<Item = Result<http_body::Frame<Bytes>, std::io::Error>>> {
    StreamBody::new(futures::stream::pending())
}

async fn allow_alice(cluster: &Cluster) -> User {
    let binding = json!({
        "metadata": {"name": "alice"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice"}],
    });
    cluster.create("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding).await;
    User::new("alice", ["people"])
}

#[tokio::test]
async fn beyond_its_seats_a_level_answers_429_and_others_go_on() {
    let cluster =
        Cluster::with_limits(Limits { reads: 0, writes: 1, wait: Duration::from_millis(20), ..Limits::default() })
            .await;
    let alice = allow_alice(&cluster).await;
    let stuck = Request::post(PATH).body(endless()).unwrap();
    let stuck = tokio::spawn(cluster.server.service_as(alice.clone()).call(stuck));
    while !cluster.ask("GET /metrics").await.text().contains("{request_kind=\"mutating\"} 1\n") {
        tokio::task::yield_now().await;
    }
    let refused = cluster.ask_as(&alice, &format!("POST {PATH}\n\n{}", json!({"metadata": {"name": "a"}}))).await;
    assert_eq!((refused.code, refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.failure(), "429 TooManyRequests Too many requests, please try again later.");
    let account = User::service_account("kube-system", "job-controller");
    let other_level = cluster.ask_as(&account, &format!("GET {PATH}")).await;
    assert_eq!(other_level.code, 403, "who is of another priority level is answered, if only with no");
    cluster.create(PATH, json!({"metadata": {"name": "b"}})).await;
    stuck.abort();
    let _ = stuck.await;
    let taken = cluster.ask_as(&alice, &format!("POST {PATH}\n\n{}", json!({"metadata": {"name": "c"}}))).await;
    assert_eq!(taken.code, 201, "the seat of a request whose client left is free again");
}

#[tokio::test]
async fn who_goes_first_is_what_the_objects_say_now() {
    let cluster = Cluster::start().await;
    let alice = allow_alice(&cluster).await;
    let under = async || {
        let answer = cluster.ask_as(&alice, &format!("GET {PATH}")).await;
        answer.header("x-kubernetes-pf-flowschema-uid").to_owned()
    };
    let schemas = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";
    let default = cluster.ask(&format!("GET {schemas}/global-default")).await.json();
    assert_eq!(under().await, default["metadata"]["uid"]);
    let rules = json!([{"subjects": [{"kind": "User", "user": {"name": "alice"}}],
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}]}]);
    let spec =
        json!({"priorityLevelConfiguration": {"name": "workload-low"}, "matchingPrecedence": 50, "rules": rules});
    let own = cluster.create(schemas, json!({"metadata": {"name": "alice"}, "spec": spec})).await;
    assert_eq!(under().await, own["metadata"]["uid"]);
    assert_eq!(cluster.ask(&format!("DELETE {schemas}/alice")).await.code, 200);
    assert_eq!(under().await, default["metadata"]["uid"]);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_a_504() {
    let cluster = Cluster::with_limits(Limits { request: Duration::from_millis(50), ..Limits::default() }).await;
    let request = Request::post(PATH).body(endless()).unwrap();
    let response = cluster.server.service_as(admin()).call(request).await.unwrap();
    assert_eq!(response.status(), 504);
}

#[tokio::test]
async fn the_client_may_ask_for_less_time() {
    let cluster = Cluster::start().await;
    let request = Request::post(format!("{PATH}?timeout=50ms")).body(endless()).unwrap();
    let response = cluster.server.service_as(admin()).call(request).await.unwrap();
    assert_eq!(response.status(), 504);
}

#[tokio::test]
async fn a_request_that_panics_is_a_500_and_the_server_lives() {
    let cluster = Cluster::start().await;
    let reply = cluster.ask(&format!("POST {PATH}\n\n{}", json!({"metadata": {"name": "explode"}}))).await;
    assert_eq!((reply.code, &reply.json()["reason"]), (500, &json!("InternalError")));
    cluster.create(PATH, json!({"metadata": {"name": "a"}})).await;
}

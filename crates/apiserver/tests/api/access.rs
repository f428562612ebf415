//! Who may: authorization, impersonation, reviews and tokens over HTTP.

use sampan_api::request::User;
use serde_json::json;

use crate::harness::Cluster;

fn alice() -> User {
    User::new("alice", ["people"])
}

#[tokio::test]
async fn strangers_see_health_and_version_only() {
    let cluster = Cluster::start().await;
    let nobody = User::anonymous();
    for path in ["/version", "/healthz", "/livez", "/readyz"] {
        assert_eq!(cluster.ask_as(&nobody, &format!("GET {path}")).await.code, 200, "{path}");
    }
    for path in ["/api", "/apis", "/openapi/v3", "/metrics", "/api/v1/pods", "/api/v1/namespaces/default"] {
        let reply = cluster.ask_as(&nobody, &format!("GET {path}")).await;
        assert_eq!(reply.code, 403, "{path}");
    }
    let reply = cluster.ask_as(&nobody, "GET /api").await;
    assert_eq!(reply.failure(), "403 Forbidden forbidden: User \"system:anonymous\" cannot get path \"/api\"");
}

#[tokio::test]
async fn a_role_allows_what_it_says_from_the_next_request_on() {
    let cluster = Cluster::start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    assert_eq!(cluster.ask_as(&alice(), &format!("GET {path}")).await.code, 403);
    let binding = json!({
        "metadata": {"name": "alice"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice"}],
    });
    cluster.create("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding).await;
    assert_eq!(cluster.ask_as(&alice(), &format!("GET {path}")).await.code, 200);
    assert_eq!(cluster.ask_as(&alice(), &format!("POST {path}\n\n{{}}")).await.code, 403);
    assert_eq!(cluster.ask_as(&alice(), "GET /api/v1/namespaces/kube-system/configmaps").await.code, 403);
}

#[tokio::test]
async fn reviews_answer_who_may_what() {
    let cluster = Cluster::start().await;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let question =
        json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "default"}}});
    let no = cluster.ask_as(&alice(), &format!("POST {path}\n\n{question}")).await;
    assert_eq!(
        (no.code, &no.json()["status"]["allowed"], &no.json()["kind"]),
        (201, &json!(false), &json!("SelfSubjectAccessReview"))
    );
    let yes = cluster.ask(&format!("POST {path}\n\n{question}")).await;
    assert_eq!(yes.json()["status"]["allowed"], true);
    let whoami = cluster.ask_as(&alice(), "POST /apis/authentication.k8s.io/v1/selfsubjectreviews\n\n{}").await.json();
    assert_eq!(whoami["status"]["userInfo"]["username"], "alice");
    let rules = cluster
        .ask_as(
            &alice(),
            "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews\n\n{\"spec\":{\"namespace\":\"default\"}}",
        )
        .await;
    assert!(rules.json()["status"]["resourceRules"].is_array(), "{}", rules.text());
    let subject = json!({"spec": {"user": "alice", "resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let other = cluster.ask(&format!("POST /apis/authorization.k8s.io/v1/subjectaccessreviews\n\n{subject}")).await;
    assert_eq!(other.json()["status"]["allowed"], false);
    let local =
        json!({"spec": {"user": "alice", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "x"}}});
    let mismatch = cluster
        .ask(&format!("POST /apis/authorization.k8s.io/v1/namespaces/y/localsubjectaccessreviews\n\n{local}"))
        .await;
    assert_eq!(mismatch.code, 400, "{}", mismatch.text());
    assert_eq!(cluster.ask(&format!("GET {path}")).await.code, 405);
    assert_eq!(cluster.ask(&format!("POST {path}/x\n\n{question}")).await.code, 404);
}

#[tokio::test]
async fn a_token_is_minted_and_reviewed() {
    let cluster = Cluster::start().await;
    cluster.create("/api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "robot"}})).await;
    let reply = cluster
        .ask("POST /api/v1/namespaces/default/serviceaccounts/robot/token\n\n{\"spec\":{\"expirationSeconds\":600}}")
        .await;
    assert_eq!(reply.code, 201, "{}", reply.text());
    let token = reply.json()["status"]["token"].as_str().unwrap().to_owned();
    let review = json!({"spec": {"token": token}});
    let answer = cluster.ask(&format!("POST /apis/authentication.k8s.io/v1/tokenreviews\n\n{review}")).await.json();
    assert_eq!(
        (&answer["status"]["authenticated"], &answer["status"]["user"]["username"]),
        (&json!(true), &json!("system:serviceaccount:default:robot"))
    );
    let none = cluster.ask("POST /api/v1/namespaces/default/serviceaccounts/none/token\n\n{\"spec\":{}}").await;
    assert_eq!(none.code, 404);
}

#[tokio::test]
async fn impersonation_needs_permission_and_changes_who_asks() {
    let cluster = Cluster::start().await;
    let whoami = "POST /apis/authentication.k8s.io/v1/selfsubjectreviews";
    let reply = cluster.ask(&format!("{whoami}\nImpersonate-User: bob\nImpersonate-Group: devs\n\n{{}}")).await.json();
    assert_eq!(reply["status"]["userInfo"], json!({"username": "bob", "groups": ["devs", "system:authenticated"]}));
    let account = cluster.ask(&format!("{whoami}\nImpersonate-User: system:serviceaccount:a:b\n\n{{}}")).await.json();
    assert!(account["status"]["userInfo"]["groups"].as_array().unwrap().contains(&json!("system:serviceaccounts:a")));
    let refused = cluster.ask_as(&alice(), &format!("{whoami}\nImpersonate-User: bob\n\n{{}}")).await;
    assert_eq!(refused.code, 403);
    let nobody = cluster.ask(&format!("{whoami}\nImpersonate-Group: devs\n\n{{}}")).await;
    assert_eq!(nobody.code, 400);
    let forbidden = cluster.ask("GET /api/v1/pods\nImpersonate-User: bob").await;
    assert_eq!(forbidden.code, 403);
}

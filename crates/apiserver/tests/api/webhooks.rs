//! Webhooks over real HTTPS, and what is said of policies whose expressions are none.

use std::convert::Infallible;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sampan_apiserver::Body;
use serde_json::{Value, json};

use crate::harness::Cluster;
use crate::https::{Answer, HttpsServer, bundle};

fn answers() -> Answer {
    Arc::new(|request| Box::pin(answer(request)))
}

/// Answers by the path it is asked at.
async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let review: Value = serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let mut response = json!({ "uid": review["request"]["uid"], "allowed": true });
    match path.as_str() {
        "/refuse" => {
            response["allowed"] = json!(false);
            let who = &review["request"]["userInfo"]["username"];
            response["status"] = json!({ "code": 403, "reason": "Forbidden", "message": format!("{who} may not") });
        }
        "/label" => {
            let patch = json!([{ "op": "add", "path": "/metadata/labels", "value": { "seen": "yes" } }]).to_string();
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(STANDARD.encode(patch));
        }
        "/hang" => std::future::pending().await,
        "/broken" => return Ok(Response::builder().status(500).body(Body::from("out of order")).unwrap()),
        "/flood" => return Ok(Response::new(Body::from(vec![b' '; 5 << 20]))),
        _ => (),
    }
    let review = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
    Ok(Response::new(Body::from(review.to_string())))
}

const PATH: &str = "/apis/admissionregistration.k8s.io/v1";

async fn configure(cluster: &Cluster, kind: &str, client_config: Value) {
    let webhook = json!({
        "name": "hook.example.com",
        "clientConfig": client_config,
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] }],
        "sideEffects": "None",
        "timeoutSeconds": 1,
        "admissionReviewVersions": ["v1"],
    });
    let configuration = json!({ "metadata": { "name": "hooks" }, "webhooks": [webhook] });
    let path = format!("{PATH}/{kind}webhookconfigurations");
    drop(cluster.ask(&format!("DELETE {path}/hooks")).await);
    cluster.create(&path, configuration).await;
}

/// Creates a ConfigMap: its labels, or why not.
async fn create(cluster: &Cluster, name: &str) -> String {
    let object = json!({ "metadata": { "name": name } });
    let reply = cluster.ask(&format!("POST /api/v1/namespaces/default/configmaps\n\n{object}")).await;
    if reply.code == 201 { reply.json()["metadata"]["labels"].to_string() } else { reply.failure() }
}

#[tokio::test]
async fn webhooks_are_asked_over_https() {
    let cluster = Cluster::start().await;
    let webhook = HttpsServer::start(&cluster, &["127.0.0.1"], answers()).await;
    configure(&cluster, "mutating", webhook.client_config(&cluster, "/label")).await;
    assert_eq!(create(&cluster, "labelled").await, r#"{"seen":"yes"}"#);
    configure(&cluster, "validating", webhook.client_config(&cluster, "/refuse")).await;
    expect![[r#"403 Forbidden admission webhook "hook.example.com" denied the request: "admin" may not"#]]
        .assert_eq(&create(&cluster, "refused").await);
    configure(&cluster, "validating", webhook.client_config(&cluster, "/allow")).await;
    assert_eq!(create(&cluster, "allowed").await, r#"{"seen":"yes"}"#);
}

#[tokio::test]
async fn what_is_wrong_with_a_webhook_is_told() {
    let cluster = Cluster::start().await;
    let webhook = HttpsServer::start(&cluster, &["127.0.0.1"], answers()).await;
    let stranger = Cluster::start().await;
    let port = format!(":{}", webhook.address.port());
    let mut told = Vec::new();
    let service =
        |name: &str| json!({ "service": { "namespace": "default", "name": name }, "caBundle": bundle(&cluster) });
    for client_config in [
        webhook.client_config(&cluster, "/hang"),
        webhook.client_config(&cluster, "/broken"),
        webhook.client_config(&cluster, "/flood"),
        webhook.client_config(&stranger, "/allow"),
        service("nowhere"),
    ] {
        configure(&cluster, "validating", client_config).await;
        told.push(create(&cluster, "refused").await.replace(&port, ":PORT"));
    }
    expect![[r#"
        500 InternalError Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: Post "https://127.0.0.1:PORT/hang?timeout=1s": context deadline exceeded
        500 InternalError Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: an error on the server ("out of order") has prevented the request from succeeding
        500 InternalError Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: Post "https://127.0.0.1:PORT/flood?timeout=1s": length limit exceeded
        500 InternalError Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: Post "https://127.0.0.1:PORT/allow?timeout=1s": tls: failed to verify certificate: invalid peer certificate: BadSignature
        500 InternalError Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: Post "https://nowhere.default.svc:443/?timeout=1s": service "nowhere" not found"#]].assert_eq(&told.join("\n"));
}

#[tokio::test]
async fn a_webhook_is_found_behind_its_service() {
    let cluster = Cluster::start().await;
    let webhook = HttpsServer::start(&cluster, &["hook.default.svc"], answers()).await;
    let service = json!({ "metadata": { "name": "hook" }, "spec": { "ports": [{ "name": "https", "port": 443, "targetPort": 8443 }] } });
    cluster.create("/api/v1/namespaces/default/services", service).await;
    let client_config = json!({ "service": { "namespace": "default", "name": "hook", "path": "/label" }, "caBundle": bundle(&cluster) });
    configure(&cluster, "mutating", client_config).await;
    expect![[r#"500 InternalError Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: Post "https://hook.default.svc:443/label?timeout=1s": no endpoints available for service "hook""#]].assert_eq(&create(&cluster, "early").await);
    let slice = json!({
        "metadata": { "name": "hook-1", "labels": { "kubernetes.io/service-name": "hook" } },
        "addressType": "IPv4",
        "ports": [{ "name": "https", "port": webhook.address.port(), "protocol": "TCP" }],
        "endpoints": [{ "addresses": ["127.0.0.1"], "conditions": { "ready": true } }],
    });
    cluster.create("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice).await;
    assert_eq!(create(&cluster, "labelled").await, r#"{"seen":"yes"}"#);
}

#[tokio::test]
async fn a_policy_is_refused_when_its_expressions_are_none_and_acts_when_they_are() {
    let cluster = Cluster::start().await;
    let policy = |expression: &str| {
        json!({
            "metadata": { "name": "small" },
            "spec": {
                "matchConstraints": { "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] }] },
                "variables": [{ "name": "keys", "expression": "has(object.data) ? size(object.data) : 0" }],
                "validations": [{ "expression": expression, "message": "too large" }],
            },
        })
    };
    let path = format!("{PATH}/validatingadmissionpolicies");
    let mut told = Vec::new();
    for expression in ["object.", "variables.nothing < 2", "variables.keys", "params.x == 1"] {
        told.push(cluster.ask(&format!("POST {path}\n\n{}", policy(expression))).await.failure());
    }
    expect![[r#"
        422 Invalid ValidatingAdmissionPolicy.admissionregistration.k8s.io "small" is invalid: spec.validations[0].expression: Invalid value: "object.": compilation failed: ERROR: <input>:1:8: Syntax error: mismatched input '<EOF>' expecting IDENTIFIER
         | object.
         | .......^
        422 Invalid ValidatingAdmissionPolicy.admissionregistration.k8s.io "small" is invalid: spec.validations[0].expression: Invalid value: "variables.nothing < 2": compilation failed: ERROR: <input>:1:10: undefined field 'nothing'
         | variables.nothing < 2
         | .........^
        422 Invalid ValidatingAdmissionPolicy.admissionregistration.k8s.io "small" is invalid: spec.validations[0].expression: Invalid value: "variables.keys": must evaluate to bool but got int
        422 Invalid ValidatingAdmissionPolicy.admissionregistration.k8s.io "small" is invalid: spec.validations[0].expression: Invalid value: "params.x == 1": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')
         | params.x == 1
         | ^"#]].assert_eq(&told.join("\n"));
    cluster.create(&path, policy("variables.keys < 2")).await;
    let binding =
        json!({ "metadata": { "name": "small" }, "spec": { "policyName": "small", "validationActions": ["Deny"] } });
    cluster.create(&format!("{PATH}/validatingadmissionpolicybindings"), binding).await;
    assert_eq!(create(&cluster, "empty").await, "null");
    let object = json!({ "metadata": { "name": "large" }, "data": { "a": "1", "b": "2" } });
    let refused = cluster.ask(&format!("POST /api/v1/namespaces/default/configmaps\n\n{object}")).await;
    expect![[r#"422 Invalid configmaps "large" is forbidden: ValidatingAdmissionPolicy 'small' with binding 'small' denied request: too large"#]].assert_eq(&refused.failure());
}

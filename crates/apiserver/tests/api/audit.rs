//! The audit log, as whoever reads it finds it.

use std::io;
use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};
use sampan_api::request::User;
use sampan_apiserver::{Audit, BoxError, Log, Mode, Policy, Sink};
use serde_json::{Value, json};

use crate::harness::{Cluster, Setup, admin};
use crate::tls;

#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<Value>>>);

impl Sink for Kept {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let lines = lines.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap());
        self.0.lock().unwrap().extend(lines);
        Ok(())
    }
}

pub struct Audited {
    pub cluster: Cluster,
    audit: Arc<Audit>,
    kept: Kept,
}

impl Audited {
    pub async fn with(policy: Policy) -> Self {
        let kept = Kept::default();
        let audit = Audit::new(policy, Log::start(kept.clone(), Mode::Blocking).unwrap());
        let cluster = Cluster::with(Setup { audit: Some(audit.clone()), ..Setup::default() }).await;
        Self { cluster, audit, kept }
    }

    async fn at(level: &str) -> Self {
        let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{{level: {level}}}]");
        Self::with(Policy::parse(&text).unwrap()).await
    }

    /// What was logged since the last time.
    pub async fn events(&self) -> Vec<Value> {
        self.audit.flush().await;
        std::mem::take(&mut *self.kept.0.lock().unwrap())
    }

    /// `STAGE VERB REQUEST-URI CODE` of each.
    async fn told(&self) -> String {
        let events = self.events().await;
        let line = |event: &Value| {
            let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
            let code = &event["responseStatus"]["code"];
            format!("{} {} {} {code}\n", text("stage"), text("verb"), text("requestURI"))
        };
        events.iter().map(line).collect()
    }
}

/// An event without what differs from run to run.
fn check(mut event: Value, expected: Expect) {
    let id = event["auditID"].take();
    assert_eq!(id.as_str().unwrap().len(), 36);
    for time in ["requestReceivedTimestamp", "stageTimestamp"] {
        let text = event[time].take();
        assert_eq!(text.as_str().unwrap().len(), "2026-01-02T03:04:05.000000Z".len());
    }
    expected.assert_eq(&serde_json::to_string_pretty(&event).unwrap());
}

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn a_request_leaves_who_what_and_what_came_of_it() {
    let audited = Audited::at("Metadata").await;
    let object = json!({"metadata": {"name": "a"}, "data": {"k": "hidden"}});
    let reply =
        audited.cluster.ask(&format!("POST {CONFIG_MAPS}?fieldManager=x\nUser-Agent: test/1\n\n{object}")).await;
    let mut events = audited.events().await;
    assert_eq!((events.len(), &events[0]["stage"]), (2, &json!("RequestReceived")));
    assert_eq!(events[0]["auditID"], reply.header("audit-id"));
    check(
        events.remove(1),
        expect![[r#"
        {
          "annotations": {
            "authorization.k8s.io/decision": "allow",
            "authorization.k8s.io/reason": ""
          },
          "apiVersion": "audit.k8s.io/v1",
          "auditID": null,
          "kind": "Event",
          "level": "Metadata",
          "objectRef": {
            "apiVersion": "v1",
            "name": "a",
            "namespace": "default",
            "resource": "configmaps"
          },
          "requestReceivedTimestamp": null,
          "requestURI": "/api/v1/namespaces/default/configmaps?fieldManager=x",
          "responseStatus": {
            "code": 201,
            "metadata": {}
          },
          "sourceIPs": [],
          "stage": "ResponseComplete",
          "stageTimestamp": null,
          "user": {
            "groups": [
              "system:masters",
              "system:authenticated"
            ],
            "username": "admin"
          },
          "userAgent": "test/1",
          "verb": "create"
        }"#]],
    );
    assert!(!format!("{events:?}").contains("hidden"));
}

#[tokio::test]
async fn a_refusal_is_told_as_the_client_heard_it() {
    let audited = Audited::at("Metadata").await;
    let reply = audited.cluster.ask_as(&User::new("jane", ["devs"]), "GET /api/v1/nodes/x").await;
    assert_eq!(reply.code, 403);
    check(
        audited.events().await.remove(1),
        expect![[r#"
        {
          "annotations": {
            "authorization.k8s.io/decision": "forbid",
            "authorization.k8s.io/reason": ""
          },
          "apiVersion": "audit.k8s.io/v1",
          "auditID": null,
          "kind": "Event",
          "level": "Metadata",
          "objectRef": {
            "apiVersion": "v1",
            "name": "x",
            "resource": "nodes"
          },
          "requestReceivedTimestamp": null,
          "requestURI": "/api/v1/nodes/x",
          "responseStatus": {
            "code": 403,
            "details": {
              "kind": "nodes",
              "name": "x"
            },
            "message": "nodes \"x\" is forbidden: User \"jane\" cannot get resource \"nodes\" in API group \"\" at the cluster scope",
            "metadata": {},
            "reason": "Forbidden",
            "status": "Failure"
          },
          "sourceIPs": [],
          "stage": "ResponseComplete",
          "stageTimestamp": null,
          "user": {
            "groups": [
              "devs",
              "system:authenticated"
            ],
            "username": "jane"
          },
          "userAgent": "",
          "verb": "get"
        }"#]],
    );
}

#[tokio::test]
async fn every_stage_is_told_once_and_watches_end_when_their_reader_goes() {
    let audited = Audited::at("Metadata").await;
    let mut watch = audited.cluster.open(&format!("{CONFIG_MAPS}?watch=1")).await;
    expect![[r#"
        RequestReceived watch /api/v1/namespaces/default/configmaps?watch=1 null
        ResponseStarted watch /api/v1/namespaces/default/configmaps?watch=1 200
    "#]]
    .assert_eq(&audited.told().await);
    audited.cluster.create(CONFIG_MAPS, json!({"metadata": {"name": "a"}})).await;
    while watch.told().await != "ADDED a" {}
    expect![[r#"
        RequestReceived create /api/v1/namespaces/default/configmaps null
        ResponseComplete create /api/v1/namespaces/default/configmaps 201
    "#]]
    .assert_eq(&audited.told().await);
    drop(watch);
    expect![[r#"
        ResponseComplete watch /api/v1/namespaces/default/configmaps?watch=1 200
    "#]]
    .assert_eq(&audited.told().await);
    let mut ended = audited.cluster.open(&format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=1")).await;
    while ended.event().await.is_some() {}
    drop(ended);
    expect![[r#"
        RequestReceived watch /api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1 null
        ResponseStarted watch /api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1 200
        ResponseComplete watch /api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1 200
    "#]]
    .assert_eq(&audited.told().await);
    audited.cluster.ask("GET /api/v1/namespaces/default/pods/none").await;
    audited.cluster.ask(&format!("POST {CONFIG_MAPS}\n\nnonsense")).await;
    audited.cluster.ask("GET /healthz").await;
    expect![[r#"
        RequestReceived get /api/v1/namespaces/default/pods/none null
        ResponseComplete get /api/v1/namespaces/default/pods/none 404
        RequestReceived create /api/v1/namespaces/default/configmaps null
        ResponseComplete create /api/v1/namespaces/default/configmaps 400
        RequestReceived get /healthz null
        ResponseComplete get /healthz 200
    "#]]
    .assert_eq(&audited.told().await);
}

#[tokio::test]
async fn a_panic_is_a_stage_of_its_own() {
    let audited = Audited::at("Metadata").await;
    audited.cluster.ask(&format!("POST {CONFIG_MAPS}\n\n{}", json!({"metadata": {"name": "explode"}}))).await;
    let events = audited.events().await;
    assert_eq!((events.len(), &events[1]["stage"]), (2, &json!("Panic")));
    let status = &events[1]["responseStatus"];
    assert_eq!((&status["code"], &status["reason"]), (&json!(500), &json!("InternalError")));
    assert!(status["message"].as_str().unwrap().starts_with("APIServer panic'd: "), "{status}");
}

#[tokio::test]
async fn who_hangs_up_before_the_answer_is_told_all_the_same() {
    use tower::Service as _;
    let audited = Audited::at("Metadata").await;
    let body =
        http_body_util::StreamBody::new(futures::stream::pending::<Result<http_body::Frame<bytes::Bytes>, BoxError>>());
    let request = http::Request::post(CONFIG_MAPS).body(body).unwrap();
    let mut answer = Box::pin(audited.cluster.server.service_as(admin()).call(request));
    assert!(futures::poll!(answer.as_mut()).is_pending());
    drop(answer);
    let event = audited.events().await.remove(1);
    assert_eq!((&event["stage"], &event["verb"]), (&json!("ResponseComplete"), &json!("create")));
    assert_eq!(event["responseStatus"]["message"], "Connection closed early");
}

#[tokio::test]
async fn bodies_are_told_at_the_levels_that_want_them() {
    let object = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
    let patch = json!({"data": {"k": "w"}});
    for (level, request, response) in [("Request", true, false), ("RequestResponse", true, true)] {
        let audited = Audited::at(level).await;
        audited.cluster.ask(&format!("POST {CONFIG_MAPS}?pretty=true\n\n{object}")).await;
        audited
            .cluster
            .ask(&format!("PATCH {CONFIG_MAPS}/a\nContent-Type: application/merge-patch+json\n\n{patch}"))
            .await;
        audited.cluster.ask("GET /api/v1/namespaces/default\nAccept: application/vnd.kubernetes.protobuf").await;
        audited.cluster.ask(&format!("GET {CONFIG_MAPS}")).await;
        let mut events = audited.events().await;
        events.retain(|event| event["stage"] == "ResponseComplete");
        let seen = |index: usize, member: &str| events[index].get(member).cloned().unwrap_or_default();
        assert_eq!(seen(0, "requestObject")["data"]["k"] == "v", request);
        assert_eq!(seen(0, "responseObject")["data"]["k"] == "v", response);
        assert_eq!(seen(1, "requestObject") == patch, request);
        assert_eq!(seen(1, "responseObject")["data"]["k"] == "w", response);
        assert_eq!(seen(2, "responseObject")["metadata"]["name"] == "default", response, "protobuf is told as JSON");
        assert_eq!(seen(3, "responseObject")["kind"] == "ConfigMapList", response);
        assert!(seen(2, "requestObject").is_null());
    }
}

#[tokio::test]
async fn managed_fields_are_left_out_where_the_policy_says_so() {
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitManagedFields: true\nrules: [{level: RequestResponse}]";
    let audited = Audited::with(Policy::parse(text).unwrap()).await;
    let managed =
        json!([{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}]);
    let object = json!({"metadata": {"name": "a", "managedFields": managed}});
    audited.cluster.ask(&format!("POST {CONFIG_MAPS}\n\n{object}")).await;
    audited.cluster.ask(&format!("GET {CONFIG_MAPS}")).await;
    audited.cluster.ask(&format!("GET {CONFIG_MAPS}\nAccept: application/json;as=Table;g=meta.k8s.io;v=v1")).await;
    let text = json!(audited.events().await).to_string();
    assert!(
        text.contains("\"requestObject\"") && text.contains("\"rows\"") && !text.contains("managedFields"),
        "{text}"
    );
}

#[tokio::test]
async fn no_secret_is_in_the_log_by_default() {
    let audited = Audited::with(Policy::default()).await;
    let secrets = "/api/v1/namespaces/default/secrets";
    let object = json!({"metadata": {"name": "a"}, "stringData": {"k": "canary"}});
    audited.cluster.ask(&format!("POST {secrets}\n\n{object}")).await;
    audited.cluster.ask(&format!("GET {secrets}/a")).await;
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "canary"}});
    audited.cluster.ask(&format!("POST /apis/authentication.k8s.io/v1/tokenreviews\n\n{review}")).await;
    let account = json!({"metadata": {"name": "a"}});
    audited.cluster.ask(&format!("POST /api/v1/namespaces/default/serviceaccounts\n\n{account}")).await;
    let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let reply =
        audited.cluster.ask(&format!("POST /api/v1/namespaces/default/serviceaccounts/a/token\n\n{asked}")).await;
    let token = reply.json()["status"]["token"].as_str().unwrap().to_owned();
    let events = audited.events().await;
    assert_eq!(events.len(), 5);
    let text = json!(events).to_string();
    assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5") && !text.contains(&token), "{text}");
}

#[tokio::test]
async fn whoever_is_impersonated_is_told_beside_who_asked() {
    let audited = Audited::at("Metadata").await;
    audited.cluster.ask("GET /api/v1/nodes\nImpersonate-User: jane\nImpersonate-Group: devs").await;
    let event = audited.events().await.remove(1);
    assert_eq!((&event["user"]["username"], &event["impersonatedUser"]["username"]), (&json!("admin"), &json!("jane")));
    assert_eq!(event["annotations"]["authorization.k8s.io/decision"], "forbid");
}

#[tokio::test]
async fn a_connection_is_told_by_its_address_and_false_credentials_by_their_kind() {
    let audited = Audited::at("Metadata").await;
    let (kept, audit) = (audited.kept, audited.audit);
    let listening = tls::Listening::over(audited.cluster).await;
    assert_eq!(listening.get("/api/v1/nodes", Some("Bearer nonsense")).await, 401);
    assert_eq!(listening.get("/api/v1/nodes", None).await, 403);
    audit.flush().await;
    let events = std::mem::take(&mut *kept.0.lock().unwrap());
    let short: Vec<_> = events
        .iter()
        .map(|event| {
            json!([event["stage"], event["user"]["username"], event["sourceIPs"], event["responseStatus"]["message"]])
        })
        .collect();
    expect![[r#"
        [
          [
            "ResponseStarted",
            "",
            [
              "127.0.0.1"
            ],
            "Authentication failed, attempted: bearer"
          ],
          [
            "RequestReceived",
            "system:anonymous",
            [
              "127.0.0.1"
            ],
            null
          ],
          [
            "ResponseComplete",
            "system:anonymous",
            [
              "127.0.0.1"
            ],
            "nodes is forbidden: User \"system:anonymous\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"
          ]
        ]"#]].assert_eq(&serde_json::to_string_pretty(&short).unwrap());
}

#[tokio::test]
async fn what_was_logged_is_counted() {
    let audited = Audited::with(Policy::default()).await;
    audited.cluster.ask("GET /api/v1/nodes").await;
    audited.cluster.ask("GET /readyz").await;
    let figures = audited.cluster.ask_as(&admin(), "GET /metrics").await.text();
    for expected in [
        "apiserver_audit_level_total{level=\"None\"} 1\n",
        "apiserver_audit_level_total{level=\"Metadata\"} 2\n",
        "apiserver_audit_event_total 1\n",
        "apiserver_audit_error_total{plugin=\"log\"} 0\n",
    ] {
        assert!(figures.contains(expected), "{expected} is not in\n{figures}");
    }
}

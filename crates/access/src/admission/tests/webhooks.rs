//! Webhooks, asked through a client that answers as it is told.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use futures::future::BoxFuture;
use parking_lot::Mutex;

use sampan_api::webhook::WebhookClient;

use super::*;

/// Answers by the URL it is asked at, and remembers what it was asked.
#[derive(Default)]
struct Scripted {
    asked: Mutex<Vec<String>>,
}

impl WebhookClient for Scripted {
    fn ask<'a>(
        &'a self,
        client_config: &'a Value,
        review: &'a Value,
        _: Duration,
    ) -> BoxFuture<'a, Result<Value, String>> {
        let url = client_config["url"].as_str().unwrap();
        let request = &review["request"];
        self.asked.lock().push(format!(
            "{} {} {}",
            url,
            request["operation"].as_str().unwrap(),
            request["object"]["data"]
        ));
        let response = |members: Value| {
            let mut response = json!({ "uid": request["uid"] });
            response.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            Ok(json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }))
        };
        let patch = |operations: Value| {
            response(
                json!({ "allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(operations.to_string()) }),
            )
        };
        let answer = match url {
            "down" => Err("Post \"down\": connection refused".to_owned()),
            "no" => response(json!({ "allowed": false, "status": { "message": "not here" } })),
            "warns" => response(json!({ "allowed": true, "warnings": ["careful"] })),
            "adds-b" => patch(json!([{ "op": "add", "path": "/data/b", "value": "2" }])),
            "adds-c" => patch(json!([{ "op": "add", "path": "/data/c", "value": "3" }])),
            "breaks" => patch(json!([{ "op": "add", "path": "/data", "value": 5 }])),
            _ => response(json!({ "allowed": true })),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn configuration(kind: &str, name: &str, webhook: Value) -> Value {
    let mut configuration = plain("admissionregistration.k8s.io/v1", &format!("{kind}WebhookConfiguration"), "", name);
    let mut hook = json!({
        "name": "hook.example.com",
        "clientConfig": { "url": "yes" },
        "rules": [{ "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"] }],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    });
    hook.as_object_mut().unwrap().extend(webhook.as_object().unwrap().clone());
    configuration["webhooks"] = json!([hook]);
    configuration
}

fn at(url: &str) -> Value {
    json!({ "clientConfig": { "url": url } })
}

/// Creates a ConfigMap under these configurations: what comes of it, what the client is told, and what webhooks were asked.
fn outcome(configurations: impl IntoIterator<Item = Value>) -> String {
    let Fixture { objects, chain, warnings } = fixture(configurations);
    let client = Arc::new(Scripted::default());
    let fixture = Fixture { objects, chain: chain.with_webhooks(client.clone()), warnings };
    let mut object = plain("v1", "ConfigMap", "default", "settings");
    object["data"] = json!({ "a": "1" });
    let mut lines = vec![match fixture.status(&admin(), "create configmaps default/", None, &object) {
        Ok(admitted) => admitted["data"].to_string(),
        Err(status) => format!("{} {}: {}", status.code, status.reason, status.message),
    }];
    lines.extend(fixture.warnings.take().into_iter().map(|warning| format!("warning: {warning}")));
    lines.extend(client.asked.lock().iter().map(|asked| format!("asked: {asked}")));
    lines.join("\n")
}

fn validating(webhook: Value) -> String {
    outcome([configuration("Validating", "a", webhook)])
}

#[test]
fn a_webhook_admits_warns_and_refuses() {
    expect![[r#"
        {"a":"1"}
        warning: careful
        asked: warns CREATE {"a":"1"}"#]]
    .assert_eq(&validating(at("warns")));
    expect![[r#"
        400 : admission webhook "hook.example.com" denied the request: not here
        asked: no CREATE {"a":"1"}"#]]
    .assert_eq(&validating(at("no")));
}

#[test]
fn a_webhook_that_cannot_be_asked_refuses_unless_it_is_to_be_ignored() {
    expect![[r#"
        500 InternalError: Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: Post "down": connection refused
        asked: down CREATE {"a":"1"}"#]].assert_eq(&validating(at("down")));
    let mut ignored = at("down");
    ignored["failurePolicy"] = json!("Ignore");
    expect![[r#"
        {"a":"1"}
        asked: down CREATE {"a":"1"}"#]]
    .assert_eq(&validating(ignored));
    let old = json!({ "admissionReviewVersions": ["v1beta1"] });
    expect![[r#"500 InternalError: Internal error occurred: failed calling webhook "hook.example.com": could not create admission objects: webhook does not accept known AdmissionReview versions (v1)"#]].assert_eq(&validating(old));
}

#[test]
fn only_what_matches_is_asked_about() {
    for webhook in [
        json!({ "objectSelector": { "matchLabels": { "a": "b" } } }),
        json!({ "namespaceSelector": { "matchLabels": { "a": "b" } } }),
        json!({ "matchConditions": [{ "name": "never", "expression": "object.metadata.name == 'x'" }] }),
        json!({ "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"] }] }),
    ] {
        assert_eq!(validating(webhook.clone()), r#"{"a":"1"}"#, "{webhook}");
    }
    let broken = json!({ "matchConditions": [{ "name": "broken", "expression": "object.nothing == 1" }] });
    expect![[r#"403 Forbidden: configmaps "settings" is forbidden: expression 'object.nothing == 1' resulted in error: no such key: nothing"#]].assert_eq(&validating(broken));
}

#[test]
fn mutating_webhooks_see_what_those_before_them_did() {
    let hooks = || [configuration("Mutating", "b", at("adds-c")), configuration("Mutating", "a", at("adds-b"))];
    expect![[r#"
        {"a":"1","b":"2","c":"3"}
        asked: adds-b CREATE {"a":"1"}
        asked: adds-c CREATE {"a":"1","b":"2"}"#]]
    .assert_eq(&outcome(hooks()));
    let [second, mut first] = hooks();
    first["webhooks"][0]["reinvocationPolicy"] = json!("IfNeeded");
    expect![[r#"
        {"a":"1","b":"2","c":"3"}
        asked: adds-b CREATE {"a":"1"}
        asked: adds-c CREATE {"a":"1","b":"2"}
        asked: adds-b CREATE {"a":"1","b":"2","c":"3"}"#]]
    .assert_eq(&outcome([first, second]));
}

#[test]
fn a_patch_has_to_leave_an_object_of_its_kind() {
    expect![[r#"
        500 InternalError: Internal error occurred: json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string
        asked: breaks CREATE {"a":"1"}"#]].assert_eq(&outcome([configuration("Mutating", "a", at("breaks"))]));
}

#[test]
fn a_rehearsal_asks_only_those_it_does_no_harm_to() {
    let Fixture { objects, chain, warnings } =
        fixture([configuration("Validating", "a", json!({ "sideEffects": "Some" }))]);
    let chain = chain.with_webhooks(Arc::new(Scripted::default()));
    let attributes = asks(&admin(), "create configmaps default/");
    let object = plain("v1", "ConfigMap", "default", "settings");
    let request = AdmissionRequest {
        attributes: &attributes,
        operation: Operation::Create,
        old: None,
        dry_run: true,
        warnings: &warnings,
    };
    let refused = futures::executor::block_on(chain.validate(&request, &object)).unwrap_err();
    assert_eq!(refused.message, "admission webhook \"hook.example.com\" does not support dry run");
    drop(objects);
}

#[test]
fn a_webhook_never_decides_about_webhooks() {
    let configuration = configuration("Validating", "a", at("no"));
    let Fixture { objects, chain, warnings } = fixture([configuration.clone()]);
    let fixture = Fixture { objects, chain: chain.with_webhooks(Arc::new(Scripted::default())), warnings };
    let words = "delete admissionregistration.k8s.io:validatingwebhookconfigurations a";
    fixture.admit(&admin(), words, Some(&configuration), &configuration).unwrap();
}

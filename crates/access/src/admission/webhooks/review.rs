//! What a webhook is asked and what it may answer: `admission.k8s.io/v1`. Upstream: `admission/plugin/webhook/request`,
//! `admission/plugin/webhook/errors`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sampan_meta::{Status, object};
use serde_json::{Value, json};

use super::Subject;

const VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// Why a request goes no further.
pub(super) enum Refusal {
    /// The webhook says so, or it must not be asked.
    Denied(Status),
    /// Nobody knows what the webhook would say.
    Failed(String),
}

/// What a webhook that has nothing against an object says.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) patch: Option<Value>,
    pub(super) warnings: Vec<String>,
    /// For the audit log.
    pub(super) annotations: Vec<(String, String)>,
}

/// The whole question.
pub(super) fn question(mut request: Value, uid: &str, subject: &Subject<'_>) -> Value {
    request["uid"] = json!(uid);
    request["object"] = subject.object.cloned().unwrap_or_default();
    request["oldObject"] = subject.old.cloned().unwrap_or_default();
    json!({ "apiVersion": VERSION, "kind": KIND, "request": request })
}

fn invalid(why: impl Into<String>) -> Refusal {
    Refusal::Failed(format!("received invalid webhook response: {}", why.into()))
}

/// Reads an answer to the question `uid`. Whoever only validates must not send a patch.
pub(super) fn answer(review: &Value, uid: &str, mutates: bool, webhook: &str) -> Result<Answer, Refusal> {
    let response = review.get("response").filter(|response| response.is_object());
    let response = response.ok_or_else(|| invalid("webhook response was absent"))?;
    let text = |pointer: &str| object::str_at(response, pointer).unwrap_or_default();
    if text("/uid") != uid {
        return Err(invalid(format!("expected response.uid={uid:?}, got {:?}", text("/uid"))));
    }
    let (version, kind) = (object::api_version(review), object::kind(review));
    if (version, kind) != (VERSION, KIND) {
        return Err(invalid(format!(
            "expected webhook response of {VERSION}, Kind={KIND}, got {version}, Kind={kind}"
        )));
    }
    let (patch, has_type) = (text("/patch"), response.get("patchType").is_some_and(|type_| !type_.is_null()));
    match (mutates, patch.is_empty(), has_type) {
        (true, false, false) => return Err(invalid("webhook returned response.patch but not response.patchType")),
        (true, true, true) => return Err(invalid("webhook returned response.patchType but not response.patch")),
        (false, false, _) => return Err(invalid("validating webhook may not return response.patch")),
        (false, true, true) => return Err(invalid("validating webhook may not return response.patchType")),
        _ => (),
    }
    let warnings = object::list_at(response, "/warnings").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let annotations = response.get("auditAnnotations").and_then(Value::as_object).into_iter().flatten();
    let annotations = annotations.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    if object::bool_at(response, "/allowed") != Some(true) {
        return Err(Refusal::Denied(denied(webhook, response.get("status"))));
    }
    let patch = if patch.is_empty() { None } else { Some(decode(patch, text("/patchType"))?) };
    Ok(Answer { patch, warnings, annotations })
}

fn decode(patch: &str, type_: &str) -> Result<Value, Refusal> {
    if type_ != "JSONPatch" {
        return Err(Refusal::Failed(format!("unsupported patch type {type_:?}")));
    }
    let undecodable = |why: String| Refusal::Failed(format!("received undecodable patch in webhook response: {why}"));
    let bytes = STANDARD.decode(patch).map_err(|error| undecodable(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| undecodable(error.to_string()))
}

/// The status a webhook refuses with, made one that is a refusal. Upstream: `ToStatusErr`.
fn denied(webhook: &str, given: Option<&Value>) -> Status {
    let text = |pointer: &str| given.and_then(|status| object::str_at(status, pointer)).unwrap_or_default();
    let told = format!("admission webhook {webhook:?} denied the request");
    let message = match (text("/message"), text("/reason")) {
        ("", "") => format!("{told} without explanation"),
        ("", why) | (why, _) => format!("{told}: {why}"),
    };
    let code = given.and_then(|status| object::i64_at(status, "/code")).and_then(|code| u16::try_from(code).ok());
    let mut status = Status::bad_request(message);
    text("/reason").clone_into(&mut status.reason);
    status.code = code.filter(|code| (400..600).contains(code)).unwrap_or(400);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(response: Value, mutates: bool) -> String {
        let review = json!({ "apiVersion": VERSION, "kind": KIND, "response": response });
        match answer(&review, "1", mutates, "a.b.c") {
            Ok(answer) => format!("{answer:?}"),
            Err(Refusal::Denied(status)) => format!("{} {}: {}", status.code, status.reason, status.message),
            Err(Refusal::Failed(why)) => why,
        }
    }

    #[test]
    fn an_answer_has_to_be_one_to_the_question() {
        let patch = STANDARD.encode(r#"[{"op":"remove","path":"/a"}]"#);
        for (response, mutates, expected) in [
            (
                json!({ "uid": "1", "allowed": true, "warnings": ["a"] }),
                false,
                r#"Answer { patch: None, warnings: ["a"], annotations: [] }"#,
            ),
            (
                json!({ "uid": "2", "allowed": true }),
                false,
                r#"received invalid webhook response: expected response.uid="1", got "2""#,
            ),
            (json!(null), false, "received invalid webhook response: webhook response was absent"),
            (json!({ "uid": "1" }), false, r#"400 : admission webhook "a.b.c" denied the request without explanation"#),
            (
                json!({ "uid": "1", "allowed": false, "status": { "code": 403, "reason": "Forbidden", "message": "no" } }),
                true,
                r#"403 Forbidden: admission webhook "a.b.c" denied the request: no"#,
            ),
            (
                json!({ "uid": "1", "allowed": false, "status": { "code": 200 } }),
                true,
                r#"400 : admission webhook "a.b.c" denied the request without explanation"#,
            ),
            (
                json!({ "uid": "1", "allowed": true, "patch": patch }),
                true,
                "received invalid webhook response: webhook returned response.patch but not response.patchType",
            ),
            (
                json!({ "uid": "1", "allowed": true, "patch": patch, "patchType": "JSONPatch" }),
                false,
                "received invalid webhook response: validating webhook may not return response.patch",
            ),
            (
                json!({ "uid": "1", "allowed": true, "patch": patch, "patchType": "JSONPatch" }),
                true,
                r#"Answer { patch: Some(Array [Object {"op": String("remove"), "path": String("/a")}]), warnings: [], annotations: [] }"#,
            ),
            (
                json!({ "uid": "1", "allowed": true, "patch": "!", "patchType": "Merge" }),
                true,
                r#"unsupported patch type "Merge""#,
            ),
        ] {
            assert_eq!(outcome(response, mutates), expected);
        }
    }
}

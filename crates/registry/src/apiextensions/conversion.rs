//! What a conversion webhook is asked and what it may answer: `apiextensions.k8s.io` ConversionReview.
//! Upstream: `apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go`.

use sampan_meta::field::{ErrorList, Path};
use sampan_meta::{Status, object};
use serde_json::{Map, Value, json};

use crate::validation::labels;

/// Versions of the review that are spoken, in the definition's order of preference.
pub(super) const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// Who converts the objects of a kind, as its definition says.
#[derive(Debug)]
pub(crate) struct Conversion {
    pub(super) client_config: Value,
    /// The first version of the review that both sides speak.
    review_version: Option<&'static str>,
}

impl Conversion {
    /// `None` for kinds whose versions differ by their name alone.
    pub(super) fn compile(spec: &Value) -> Option<Self> {
        if object::str_at(spec, "/conversion/strategy") != Some("Webhook") {
            return None;
        }
        let webhook = spec.pointer("/conversion/webhook")?;
        let mut wanted = object::list_at(webhook, "/conversionReviewVersions").iter().filter_map(Value::as_str);
        let review_version = wanted.find_map(|wanted| REVIEW_VERSIONS.into_iter().find(|known| *known == wanted));
        Some(Self { client_config: webhook.get("clientConfig").cloned().unwrap_or_default(), review_version })
    }

    /// The whole question.
    ///
    /// # Errors
    /// When the webhook speaks no version of the review that we do.
    pub(super) fn question(&self, uid: &str, objects: &[Value], wanted: &str) -> Result<Value, Status> {
        let version = self.review_version.ok_or_else(|| failure("no supported conversion review versions"))?;
        Ok(json!({
            "apiVersion": format!("apiextensions.k8s.io/{version}"),
            "kind": "ConversionReview",
            "request": { "uid": uid, "desiredAPIVersion": wanted, "objects": objects },
        }))
    }

    /// The converted objects of an answer to the question `uid`, as many and in the same order as `sent`, with the metadata that was sent
    /// but for labels and annotations.
    ///
    /// # Errors
    /// Upstream's words.
    pub(super) fn answer(&self, review: &Value, uid: &str, sent: &[Value], wanted: &str) -> Result<Vec<Value>, Status> {
        let kind = described(sent);
        let told = |why: String| failure(format!("conversion webhook for {kind} {why}"));
        let objects = self.converted(review, uid).map_err(|why| told(format!("failed: {why}")))?;
        if objects.len() != sent.len() {
            return Err(told(format!("returned {} objects, expected {}", objects.len(), sent.len())));
        }
        let checked = objects.iter().zip(sent).enumerate().map(|(index, (converted, original))| {
            restored(converted, original, wanted).map_err(|wrong| told(wrong.told(index, sent.len() > 1)))
        });
        checked.collect()
    }

    fn converted<'r>(&self, review: &'r Value, uid: &str) -> Result<&'r [Value], String> {
        // Upstream did not look at kind and uid in the beta.
        let strict = self.review_version == Some("v1");
        let given = object::group_version_kind(review);
        if strict
            && (&*given.group, &*given.version, &*given.kind) != ("apiextensions.k8s.io", "v1", "ConversionReview")
        {
            return Err(format!(
                "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got {given}"
            ));
        }
        let response = review.get("response").filter(|response| response.is_object());
        let response = response.ok_or("no response provided")?;
        let text = |pointer: &str| object::str_at(response, pointer).unwrap_or_default();
        if strict && text("/uid") != uid {
            return Err(format!("expected response.uid={uid:?}, got {:?}", text("/uid")));
        }
        match (text("/result/status"), text("/result/message")) {
            ("Success", _) => Ok(object::list_at(response, "/convertedObjects")),
            (status, "") => Err(format!("response.result.status was '{status}', not 'Success'")),
            (_, message) => Err(message.to_owned()),
        }
    }
}

/// What a webhook that cannot be asked comes to.
pub(super) fn unreachable(sent: &[Value], why: &str) -> Status {
    failure(format!("conversion webhook for {} failed: {why}", described(sent)))
}

/// 500 without a reason: what upstream makes of an error that is no Status.
pub(super) fn failure(message: impl Into<String>) -> Status {
    let mut status = Status::internal("");
    status.reason.clear();
    status.details = None;
    status.message = message.into();
    status
}

/// The kind of what is converted; those of one question may be in several versions.
fn described(sent: &[Value]) -> String {
    sent.first().map(|object| object::group_version_kind(object).to_string()).unwrap_or_default()
}

/// What is wrong with one converted object.
#[derive(Debug)]
enum Wrong {
    /// It is another object, or none.
    Object(String),
    /// What it says of itself may not be.
    Metadata(String),
}

impl Wrong {
    fn told(self, index: usize, among_others: bool) -> String {
        match (self, among_others) {
            (Self::Object(why), true) => format!("returned invalid converted object at index {index}: {why}"),
            (Self::Object(why), false) => format!("returned invalid object: {why}"),
            (Self::Metadata(why), true) => format!("returned invalid metadata in object at index {index}: {why}"),
            (Self::Metadata(why), false) => format!("returned invalid metadata: {why}"),
        }
    }
}

/// The converted object under the metadata of the original. Upstream: `validateConvertedObject`, `restoreObjectMeta`.
fn restored(converted: &Value, original: &Value, wanted: &str) -> Result<Value, Wrong> {
    let different = |what: &str, given: &str, expected: &str| {
        Err(Wrong::Object(format!("must have the same {what}: {expected} != {given}")))
    };
    let version = object::api_version(converted);
    if version != wanted {
        let why = format!("invalid groupVersion (expected {wanted}, received {version})");
        return Err(Wrong::Object(why));
    }
    let (kind, expected) = (object::kind(converted), object::kind(original));
    if kind != expected {
        return Err(Wrong::Object(format!("invalid kind (expected {expected}, received {kind})")));
    }
    type Read = fn(&Value) -> &str;
    let identity: [(&str, Read); 3] = [("name", object::name), ("namespace", object::namespace), ("UID", object::uid)];
    for (what, read) in identity {
        if read(converted) != read(original) {
            return different(what, read(converted), read(original));
        }
    }
    let given = converted.get("metadata").ok_or_else(|| metadata("missing metadata in converted object"))?;
    let given = given.as_object().ok_or_else(|| metadata("invalid metadata in converted object"))?;
    let mut restored = converted.clone();
    let mut own = original.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    settle(&mut own, given, "labels", |errors, now| {
        labels::validate(errors, Some(now), &Path::new("metadata").child("labels"));
    })?;
    settle(&mut own, given, "annotations", |errors, now| {
        labels::validate_annotations(errors, Some(now), &Path::new("metadata").child("annotation"));
    })?;
    restored["metadata"] = own.into();
    Ok(restored)
}

fn metadata(why: impl Into<String>) -> Wrong {
    Wrong::Metadata(why.into())
}

/// Takes over the labels or annotations the webhook gave, which it may change.
fn settle(
    own: &mut Map<String, Value>,
    given: &Map<String, Value>,
    name: &str,
    validate: impl FnOnce(&mut ErrorList, &Map<String, Value>),
) -> Result<(), Wrong> {
    let Some(given) = given.get(name).filter(|given| !given.is_null()) else {
        own.remove(name);
        return Ok(());
    };
    let unfit = || metadata(format!("invalid metadata.{name} in converted object"));
    let given = given.as_object().ok_or_else(unfit)?;
    if let Some((key, _)) = given.iter().find(|(_, value)| !value.is_string()) {
        return Err(metadata(format!("metadata.{name}[{key}] must be a string in converted object")));
    }
    if own.get(name).and_then(Value::as_object) != Some(given) {
        let mut errors = ErrorList::new();
        validate(&mut errors, given);
        if !errors.is_empty() {
            let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
            return Err(metadata(told.join(", ")));
        }
    }
    own.insert(name.to_owned(), given.clone().into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn pot(version: &str, more: Value) -> Value {
        let mut metadata =
            json!({ "name": "a", "namespace": "n", "uid": "u", "labels": { "k": "v" }, "generation": 3 });
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "apiVersion": format!("example.com/{version}"), "kind": "Pot", "metadata": metadata })
    }

    fn review(objects: Value) -> Value {
        json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "response": { "uid": "7", "result": { "status": "Success" }, "convertedObjects": objects } })
    }

    fn conversion(versions: Value) -> Conversion {
        let webhook = json!({ "clientConfig": { "url": "https://x" }, "conversionReviewVersions": versions });
        Conversion::compile(&json!({ "conversion": { "strategy": "Webhook", "webhook": webhook } })).unwrap()
    }

    fn check(review: &Value, sent: usize, expected: Expect) {
        let sent: Vec<Value> = (0..sent).map(|_| pot("v1", json!({}))).collect();
        let told = match conversion(json!(["v1"])).answer(review, "7", &sent, "example.com/v2") {
            Ok(objects) => json!(objects).to_string(),
            Err(status) => format!("{} {}{}", status.code, status.reason, status.message),
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn of_the_metadata_only_labels_and_annotations_may_change() {
        let converted = pot(
            "v2",
            json!({ "labels": { "k": "w" }, "annotations": { "a": "b" }, "generation": 9, "finalizers": ["x"] }),
        );
        check(
            &review(json!([converted])),
            1,
            expect![[
                r#"[{"apiVersion":"example.com/v2","kind":"Pot","metadata":{"annotations":{"a":"b"},"generation":3,"labels":{"k":"w"},"name":"a","namespace":"n","uid":"u"}}]"#
            ]],
        );
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_told_in_upstreams_words() {
        let rows = [
            (
                json!([]),
                1,
                expect![[r#"500 conversion webhook for example.com/v1, Kind=Pot returned 0 objects, expected 1"#]],
            ),
            (
                json!([pot("v3", json!({}))]),
                1,
                expect![[
                    r#"500 conversion webhook for example.com/v1, Kind=Pot returned invalid object: invalid groupVersion (expected example.com/v2, received example.com/v3)"#
                ]],
            ),
            (
                json!([pot("v2", json!({})), pot("v2", json!({ "name": "b" }))]),
                2,
                expect![[
                    r#"500 conversion webhook for example.com/v1, Kind=Pot returned invalid converted object at index 1: must have the same name: a != b"#
                ]],
            ),
            (
                json!([pot("v2", json!({ "uid": "w" }))]),
                1,
                expect![[
                    r#"500 conversion webhook for example.com/v1, Kind=Pot returned invalid object: must have the same UID: u != w"#
                ]],
            ),
            (
                json!([pot("v2", json!({ "labels": { "k": 1 } }))]),
                1,
                expect![[
                    r#"500 conversion webhook for example.com/v1, Kind=Pot returned invalid metadata: metadata.labels[k] must be a string in converted object"#
                ]],
            ),
            (
                json!([pot("v2", json!({ "labels": { "k": "/" } }))]),
                1,
                expect![[
                    r#"500 conversion webhook for example.com/v1, Kind=Pot returned invalid metadata: metadata.labels: Invalid value: "/": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"#
                ]],
            ),
        ];
        for (objects, sent, expected) in rows {
            check(&review(objects), sent, expected);
        }
    }

    #[test]
    fn an_answer_that_is_none_is_told_as_such() {
        let mut other = review(json!([]));
        other["response"]["uid"] = json!("8");
        check(
            &other,
            1,
            expect![[
                r#"500 conversion webhook for example.com/v1, Kind=Pot failed: expected response.uid="7", got "8""#
            ]],
        );
        let mut failed = review(json!([]));
        failed["response"]["result"] = json!({ "status": "Failed", "message": "no such pot" });
        check(&failed, 1, expect![[r#"500 conversion webhook for example.com/v1, Kind=Pot failed: no such pot"#]]);
        failed["response"]["result"] = json!({ "status": "Failed" });
        check(
            &failed,
            1,
            expect![[
                r#"500 conversion webhook for example.com/v1, Kind=Pot failed: response.result.status was 'Failed', not 'Success'"#
            ]],
        );
        check(
            &json!({ "kind": "Status", "apiVersion": "v1" }),
            1,
            expect![[
                r#"500 conversion webhook for example.com/v1, Kind=Pot failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got /v1, Kind=Status"#
            ]],
        );
    }

    #[test]
    fn the_first_version_of_the_review_that_both_speak_is_spoken() {
        let spoken = |versions: Value| {
            let question = conversion(versions).question("7", &[], "example.com/v2");
            question.map_or_else(|status| status.message, |review| object::api_version(&review).to_owned())
        };
        assert_eq!(spoken(json!(["v9", "v1beta1", "v1"])), "apiextensions.k8s.io/v1beta1");
        assert_eq!(spoken(json!(["v1"])), "apiextensions.k8s.io/v1");
        assert_eq!(spoken(json!(["v9"])), "no supported conversion review versions");
    }
}

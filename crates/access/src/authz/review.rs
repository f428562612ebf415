//! The review objects of authorization.k8s.io/v1: a question as an object, answered by filling in its status.

use std::collections::BTreeMap;

use sampan_api::request::{Attributes, User};
use sampan_meta::Status;
use serde_json::{Value, json};

use super::{Authorizer, Decision, Rules};

impl Authorizer {
    /// `SelfSubjectAccessReview`: may `user` do what the object asks? (`kubectl auth can-i`)
    pub fn self_subject_access_review(&self, user: &User, review: &Value) -> Result<Value, Status> {
        let attributes = attributes_of(user.clone(), review.get("spec").unwrap_or(&Value::Null))?;
        Ok(self.answered(review, &attributes))
    }

    /// `SubjectAccessReview`: may the user the object names do what it asks?
    pub fn subject_access_review(&self, review: &Value) -> Result<Value, Status> {
        let spec = review.get("spec").unwrap_or(&Value::Null);
        Ok(self.answered(review, &attributes_of(named_user(spec)?, spec)?))
    }

    /// `LocalSubjectAccessReview`: as [`Authorizer::subject_access_review`], within `namespace` alone.
    pub fn local_subject_access_review(&self, namespace: &str, review: &Value) -> Result<Value, Status> {
        let asked = review.pointer("/spec/resourceAttributes/namespace").and_then(Value::as_str).unwrap_or_default();
        if asked != namespace {
            return Err(Status::bad_request(format!(
                "spec.resourceAttributes.namespace must match namespace: {namespace}"
            )));
        }
        self.subject_access_review(review)
    }

    /// `SelfSubjectRulesReview`: all `user` may do in the namespace the object names. (`kubectl auth can-i --list`)
    pub fn self_subject_rules_review(&self, user: &User, review: &Value) -> Result<Value, Status> {
        let namespace = review.pointer("/spec/namespace").and_then(Value::as_str).unwrap_or_default();
        if namespace.is_empty() {
            return Err(Status::bad_request("no namespace on request"));
        }
        let mut answer = review.clone();
        answer["status"] = rules_status(self.rules_for(user, namespace));
        Ok(answer)
    }

    fn answered(&self, review: &Value, attributes: &Attributes) -> Value {
        let mut answer = review.clone();
        let (allowed, reason) = match self.authorize(attributes) {
            Decision::Allowed { reason } => (true, reason),
            Decision::Denied { reason } => (false, reason),
        };
        answer["status"] = json!({ "allowed": allowed });
        if !reason.is_empty() {
            answer["status"]["reason"] = json!(reason);
        }
        answer
    }
}

fn rules_status(rules: Rules) -> Value {
    let Rules { rules, incomplete, evaluation_error } = rules;
    let (paths, resources): (Vec<_>, Vec<_>) = rules.into_iter().partition(|rule| !rule.non_resource_urls.is_empty());
    let mut status = json!({ "resourceRules": resources, "nonResourceRules": paths, "incomplete": incomplete });
    if let Some(error) = evaluation_error {
        status["evaluationError"] = json!(error);
    }
    status
}

fn named_user(spec: &Value) -> Result<User, Status> {
    let text = |member: &str| spec.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let groups = spec.get("groups").map(list).unwrap_or_default();
    if text("user").is_empty() && groups.is_empty() {
        return Err(Status::bad_request(
            "spec.user: Invalid value: \"\": at least one of user or group must be specified",
        ));
    }
    let extra = spec.get("extra").and_then(Value::as_object);
    let extra: BTreeMap<String, Vec<String>> =
        extra.into_iter().flatten().map(|(key, values)| (key.to_lowercase(), list(values))).collect();
    Ok(User { name: text("user"), uid: text("uid"), groups, extra })
}

fn attributes_of(user: User, spec: &Value) -> Result<Attributes, Status> {
    let member = |name: &str| spec.get(name).filter(|value| !value.is_null());
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (member("resourceAttributes"), member("nonResourceAttributes")) {
        (Some(resource), None) => Ok(Attributes {
            user,
            verb: text(resource, "verb"),
            group: text(resource, "group"),
            version: text(resource, "version"),
            resource: text(resource, "resource"),
            subresource: text(resource, "subresource"),
            namespace: text(resource, "namespace"),
            name: text(resource, "name"),
            field_selector: resource.get("fieldSelector").map(field_selector).unwrap_or_default(),
            resource_request: true,
            path: String::new(),
        }),
        (None, Some(path)) => {
            Ok(Attributes { user, verb: text(path, "verb"), path: text(path, "path"), ..Attributes::default() })
        }
        _ => Err(Status::bad_request(
            "spec: exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
    }
}

/// The `fieldSelector` of the question as a selector string: its raw form, or its requirements that say "in one value".
fn field_selector(selector: &Value) -> String {
    if let Some(raw) = selector.get("rawSelector").and_then(Value::as_str) {
        return raw.to_owned();
    }
    let requirements = selector.get("requirements").and_then(Value::as_array).into_iter().flatten();
    let equalities = requirements.filter_map(|requirement| {
        let key = requirement.get("key")?.as_str()?;
        let values = requirement.get("values")?.as_array()?;
        let is_in = requirement.get("operator")?.as_str()? == "In";
        let [value] = values.as_slice() else { return None };
        is_in.then(|| Some(format!("{key}={}", value.as_str()?)))?
    });
    equalities.collect::<Vec<_>>().join(",")
}

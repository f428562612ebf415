//! CertificateSigningRequests. Upstream: `pkg/registry/certificates/certificates`.

use jiff::Timestamp;
use sampan_api::request::User;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::time::{format_time, human_duration};
use serde_json::{Value, json};

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, SelectableField, Strategy};
use crate::validation::immutable;
use crate::verbs::update::keep;

/// Conditions only the approval subresource adds.
const VERDICTS: [&str; 2] = ["Approved", "Denied"];

pub(crate) struct CertificateSigningRequestStrategy;

impl Strategy for CertificateSigningRequestStrategy {
    fn names(&self) -> Names {
        let kind = ("CertificateSigningRequest", "CertificateSigningRequestList");
        let resource = ("certificatesigningrequests", "certificatesigningrequest");
        let type_name = "certificates.v1.CertificateSigningRequest";
        Names::new(("certificates.k8s.io", "v1"), kind, resource, type_name).short(&["csr"])
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::of_parent("approval"), Subresource::STATUS] }
    }

    /// The signer trusts what the request says of its author. Upstream: the strategy's `PrepareForCreate`.
    fn record_author(&self, object: &mut Value, author: &User) {
        let spec = object::child(object, "spec");
        for field in ["uid", "extra"] {
            object::remove(spec, &[field]);
        }
        spec["username"] = author.name.as_str().into();
        spec["groups"] = author.groups.clone().into();
        if !author.uid.is_empty() {
            spec["uid"] = author.uid.as_str().into();
        }
        if !author.extra.is_empty() {
            spec["extra"] = json!(author.extra);
        }
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        keep(object, old, "spec");
    }

    /// `approval` writes conditions of any type and nothing else. `status` writes everything, but verdicts that are there keep their words:
    /// one added or removed is left as it is sent, for validation to refuse. Upstream: the strategies' `PrepareForUpdate`.
    fn prepare_status_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        let mut conditions = object::list_at(object, "/status/conditions").to_vec();
        let kept = object::list_at(old, "/status/conditions");
        if subresource == "approval" {
            keep(object, old, "status");
        } else {
            VERDICTS.iter().for_each(|verdict| keep_condition(&mut conditions, kept, verdict));
        }
        if conditions.is_empty() {
            object::remove(object, &["status", "conditions"]);
        } else {
            object::set(object, &["status", "conditions"], conditions.into());
        }
    }

    /// Upstream: `populateConditionTimestamps`.
    fn record_time(&self, object: &mut Value, old: &Value, now: Timestamp) {
        let now = Value::from(format_time(now));
        let Some(conditions) = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) else { return };
        for condition in conditions {
            let alike = |old: &&Value| ["type", "status"].iter().all(|name| old.get(name) == condition.get(name));
            let before = object::list_at(old, "/status/conditions").iter().find(alike);
            let transition = before.and_then(|old| old.get("lastTransitionTime")).unwrap_or(&now).clone();
            for (name, time) in [("lastTransitionTime", transition), ("lastUpdateTime", now.clone())] {
                if condition.get(name).is_none_or(Value::is_null) {
                    condition[name] = time;
                }
            }
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        for name in ["request", "signerName"] {
            if object::str_at(object, &format!("/spec/{name}")).is_none() {
                errors.push(field::required(&path.child(name), ""));
            }
        }
        if object::list_at(object, "/spec/usages").is_empty() {
            errors.push(field::required(&path.child("usages"), ""));
        }
        let signer = object::str_at(object, "/spec/signerName").unwrap_or_default();
        if !signer.is_empty() && !signer.contains('/') {
            let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
            errors.push(field::invalid(&path.child("signerName"), signer, why));
        }
        if let Some(seconds) = object::i64_at(object, "/spec/expirationSeconds").filter(|seconds| *seconds < 600) {
            let why = "may not specify a duration less than 600 seconds (10 minutes)";
            errors.push(field::invalid(&path.child("expirationSeconds"), seconds, why));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        immutable(&mut errors, object, old, "/spec", &Path::new("spec"));
        errors
    }

    fn validate_status_update(&self, subresource: &str, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("status").child("conditions");
        let given = |object, type_: &str| crate::conditions::get(object, type_).is_some();
        if given(object, "Approved") && given(object, "Denied") {
            errors.push(field::invalid(&path, "Denied", "Approved and Denied conditions are mutually exclusive"));
        }
        for type_ in VERDICTS.iter().filter(|_| subresource == "status") {
            if given(object, type_) && !given(old, type_) {
                let why = format!("updates may not add a condition of type {type_:?}");
                errors.push(field::forbidden(&path, why));
            }
        }
        for type_ in ["Approved", "Denied", "Failed"] {
            if given(old, type_) && !given(object, type_) {
                errors.push(field::forbidden(&path, format!("updates may not remove a condition of type {type_:?}")));
            }
        }
        let certificate = object::str_at(old, "/status/certificate");
        if certificate.is_some() {
            immutable(&mut errors, object, old, "/status/certificate", &Path::new("status").child("certificate"));
        }
        errors
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const { &[SelectableField::new("spec.signerName", &["spec.signerName"])] }
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            Column::name(),
            cell::age_column(),
            text("SignerName", "Who is to sign."),
            text("Requestor", "Who asked."),
            text("RequestedDuration", "How long the certificate is to be good."),
            text("Condition", "What has become of it."),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let seconds = object::i64_at(object, "/spec/expirationSeconds");
        let duration = seconds.map(|seconds| human_duration(jiff::SignedDuration::from_secs(seconds)));
        vec![
            cell::name(object),
            cell::age(object, now),
            cell::text(object, "/spec/signerName", cell::NONE),
            cell::text(object, "/spec/username", ""),
            duration.unwrap_or_else(|| cell::NONE.to_owned()).into(),
            condition(object).into(),
        ]
    }
}

/// Puts conditions of a type back to what they were, as long as there are as many. Upstream: `preserveConditionInstances`.
fn keep_condition(conditions: &mut [Value], kept: &[Value], type_: &str) {
    let is_of_type = |condition: &&Value| object::str_at(condition, "/type") == Some(type_);
    let kept: Vec<&Value> = kept.iter().filter(is_of_type).collect();
    let sent: Vec<&mut Value> = conditions.iter_mut().filter(|condition| is_of_type(&&**condition)).collect();
    if sent.len() == kept.len() {
        sent.into_iter().zip(kept).for_each(|(sent, kept)| sent.clone_from(kept));
    }
}

/// Upstream: `extractCSRStatus`.
fn condition(object: &Value) -> String {
    let given = |type_: &str| crate::conditions::get(object, type_).is_some();
    let mut condition = match () {
        () if given("Denied") => "Denied",
        () if given("Approved") => "Approved",
        () => "Pending",
    }
    .to_owned();
    if given("Failed") {
        condition.push_str(",Failed");
    }
    if object::str_at(object, "/status/certificate").is_some() {
        condition.push_str(",Issued");
    }
    condition
}

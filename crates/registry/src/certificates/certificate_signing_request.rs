//! CertificateSigningRequests. Upstream: `pkg/registry/certificates/certificates`.

use jiff::Timestamp;
use sampan_api::request::User;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::time::human_duration;
use serde_json::{Value, json};

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, SelectableField, Strategy};
use crate::validation::immutable;
use crate::verbs::update::keep;

/// Conditions only the approval subresource writes.
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

    /// `approval` writes verdicts and nothing else, `status` everything but verdicts.
    fn prepare_status_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        let approval = subresource == "approval";
        let is_verdict =
            |condition: &&Value| object::str_at(condition, "/type").is_some_and(|type_| VERDICTS.contains(&type_));
        let (sent, kept) = (object::list_at(object, "/status/conditions"), object::list_at(old, "/status/conditions"));
        let written = sent.iter().filter(|condition| is_verdict(condition) == approval);
        let kept = kept.iter().filter(|condition| is_verdict(condition) != approval);
        let conditions: Vec<Value> = kept.chain(written).cloned().collect();
        if approval {
            keep(object, old, "status");
        }
        if conditions.is_empty() {
            object::remove(object, &["status", "conditions"]);
        } else {
            object::set(object, &["status", "conditions"], conditions.into());
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

    fn validate_status_update(&self, _: &str, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("status").child("conditions");
        let given = |object, type_: &str| crate::conditions::get(object, type_).is_some();
        if given(object, "Approved") && given(object, "Denied") {
            errors.push(field::invalid(&path, "Denied", "Approved and Denied conditions are mutually exclusive"));
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

//! What becomes of a certificate request. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition as Condition,
};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;

use crate::signer::{RequestedIdentity, SigningError};
use crate::time::until;

/// How long a request that was decided is kept, and one that was not (`pkg/controller/certificates/cleaner`).
pub(super) const LIFE_AFTER: Duration = Duration::from_secs(60 * 60);
const LIFE_DECIDED: i64 = 60 * 60;
const LIFE_PENDING: i64 = 24 * 60 * 60;

const NODE_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const NODE_SERVING: &str = "kubernetes.io/kubelet-serving";
const LEGACY: &str = "kubernetes.io/legacy-unknown";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing to do, until the time has come to clear it away.
    Wait(Option<Duration>),
    Delete,
    /// Approve it if the requester may create this subresource of certificate requests.
    Approve {
        permission: &'static str,
    },
    Sign,
    Fail(String),
}

/// `identity`: what the request asks for; `None`: there is no signer.
pub(super) fn plan(
    request: &CertificateSigningRequest,
    identity: Option<&Result<RequestedIdentity, SigningError>>,
    now: Timestamp,
) -> Plan {
    let life = left_to_live(request, now);
    if life.is_none() {
        return Plan::Delete;
    }
    let signed = request
        .status
        .as_ref()
        .is_some_and(|status| status.certificate.as_ref().is_some_and(|bytes| !bytes.0.is_empty()));
    if signed || has(request, "Denied") || has(request, "Failed") {
        return Plan::Wait(life);
    }
    let Some(identity) = identity.filter(|_| is_known(&request.spec.signer_name)) else { return Plan::Wait(life) };
    match (has(request, "Approved"), identity) {
        (true, Ok(identity)) => violation(request, identity).map_or(Plan::Sign, Plan::Fail),
        (true, Err(problem)) => Plan::Fail(problem.to_string()),
        (false, Ok(identity)) => {
            permission(request, identity).map_or(Plan::Wait(life), |permission| Plan::Approve { permission })
        }
        (false, Err(_)) => Plan::Wait(life),
    }
}

fn is_known(signer: &str) -> bool {
    matches!(signer, NODE_CLIENT | CLIENT | NODE_SERVING | LEGACY)
}

fn conditions(request: &CertificateSigningRequest) -> impl Iterator<Item = &Condition> {
    request.status.iter().flat_map(|status| status.conditions.iter().flatten())
}

fn has(request: &CertificateSigningRequest, type_: &str) -> bool {
    conditions(request).any(|condition| condition.type_ == type_)
}

/// `None`: its time is over.
fn left_to_live(request: &CertificateSigningRequest, now: Timestamp) -> Option<Duration> {
    let decided = conditions(request).filter_map(|condition| condition.last_update_time.as_ref()).max();
    let unknown = Time(now);
    let created = request.metadata.creation_timestamp.as_ref().unwrap_or(&unknown);
    decided.map_or_else(|| until(created, LIFE_PENDING, now), |decided| until(decided, LIFE_DECIDED, now))
}

/// A node that asks for its own client certificate, for itself or while it joins; or for the certificate of its own API.
fn permission(request: &CertificateSigningRequest, identity: &RequestedIdentity) -> Option<&'static str> {
    if violation(request, identity).is_some() {
        return None;
    }
    let own = request.spec.username.as_deref() == Some(&identity.common_name);
    match request.spec.signer_name.as_str() {
        NODE_CLIENT if own => Some("selfnodeclient"),
        NODE_CLIENT => Some("nodeclient"),
        NODE_SERVING if own && identity.alternative_names.iter().all(|name| belongs_to_node(name, identity)) => {
            Some("selfnodeserver")
        }
        _ => None,
    }
}

/// Upstream leaves every serving certificate to a person, because a node could ask for somebody else's name: the API server's, say.
/// The node's own name, and addresses of the range that only nodes use in loopback mode, can be nobody else's.
fn belongs_to_node(name: &str, identity: &RequestedIdentity) -> bool {
    match name.parse::<std::net::Ipv4Addr>() {
        Ok(address) => matches!(address.octets(), [127, 64..=127, ..]),
        Err(_) if name == "localhost" || name.split('.').next() == Some("kubernetes") => false,
        Err(_) => identity.common_name.strip_prefix("system:node:") == Some(name),
    }
}

/// What the signer's contract forbids about the request.
fn violation(request: &CertificateSigningRequest, identity: &RequestedIdentity) -> Option<String> {
    let usages: BTreeSet<&str> = request.spec.usages.iter().flatten().map(String::as_str).collect();
    let signer = request.spec.signer_name.as_str();
    let (needed, allowed): (&str, &[&str]) = match signer {
        NODE_CLIENT | CLIENT => ("client auth", &["client auth", "digital signature", "key encipherment"]),
        NODE_SERVING => ("server auth", &["server auth", "digital signature", "key encipherment"]),
        _ => return None,
    };
    if !usages.contains(needed) {
        return Some(format!("the usage {needed} is missing, which {signer} requires"));
    }
    if let Some(usage) = usages.iter().find(|usage| !allowed.contains(usage)) {
        return Some(format!("the usage {usage} is not allowed by {signer}"));
    }
    if signer == CLIENT {
        return None;
    }
    if identity.organizations != ["system:nodes"] {
        return Some("the organization must be system:nodes".to_owned());
    }
    if !identity.common_name.starts_with("system:node:") {
        return Some("the common name must begin with system:node:".to_owned());
    }
    match (signer == NODE_SERVING, identity.alternative_names.len()) {
        (true, 0) => Some("at least one DNS name or IP address is required".to_owned()),
        (false, 1..) => Some("alternative names are not allowed".to_owned()),
        _ => None,
    }
}

pub(super) fn approved(
    request: &CertificateSigningRequest,
    permission: &str,
    now: Timestamp,
) -> CertificateSigningRequest {
    let kind = match permission {
        "selfnodeclient" => "self kubelet client certificate",
        "selfnodeserver" => "self kubelet serving certificate",
        _ => "kubelet client certificate",
    };
    let message = format!("Auto approving {kind} after SubjectAccessReview.");
    with(request, "Approved", "AutoApproved", message, now)
}

pub(super) fn failed(request: &CertificateSigningRequest, message: &str, now: Timestamp) -> CertificateSigningRequest {
    with(request, "Failed", "SignerValidationFailure", message.to_owned(), now)
}

fn with(
    request: &CertificateSigningRequest,
    type_: &str,
    reason: &str,
    message: String,
    now: Timestamp,
) -> CertificateSigningRequest {
    let mut request = request.clone();
    let conditions = request.status.get_or_insert_default().conditions.get_or_insert_default();
    conditions.push(Condition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    });
    request
}

#[cfg(test)]
mod tests;

//! Whether the objects a token is bound to are still there.

use std::sync::Arc;

use jiff::Timestamp;
use sampan_api::request::Lister;
use sampan_meta::{GroupResource, object};
use serde_json::Value;

use super::claims::{Binding, Named};

/// An object marked for deletion keeps its tokens alive this much longer, so that what it stops can end in order (upstream's leeway).
const LEEWAY_SECONDS: i64 = 60;

/// The kind of object besides its service account that a token can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundObject {
    /// A pod of the service account.
    Pod,
    /// A secret in its namespace.
    Secret,
    /// A node.
    Node,
}

impl BoundObject {
    /// By `apiVersion` and `kind` of a `boundObjectRef`.
    pub(super) fn parse(api_version: &str, kind: &str) -> Option<Self> {
        match (api_version, kind) {
            ("v1", "Pod") => Some(Self::Pod),
            ("v1", "Secret") => Some(Self::Secret),
            ("v1", "Node") => Some(Self::Node),
            _ => None,
        }
    }

    pub(super) fn resource(self) -> GroupResource {
        let plural = match self {
            Self::Pod => "pods",
            Self::Secret => "secrets",
            Self::Node => "nodes",
        };
        GroupResource::new("", plural)
    }

    pub(super) fn namespace(self, namespace: &str) -> &str {
        if self == Self::Node { "" } else { namespace }
    }
}

/// Fails when one of the objects is gone, is another one of the same name, or was to be deleted more than a minute ago.
pub(super) fn check(lister: &dyn Lister, binding: &Binding, now: Timestamp) -> Result<(), String> {
    let Binding { namespace, serviceaccount, pod, secret, node } = binding;
    let account = GroupResource::new("", "serviceaccounts");
    check_one(lister, &account, namespace, serviceaccount, now)?;
    if let Some(pod) = pod {
        check_one(lister, &BoundObject::Pod.resource(), namespace, pod, now)?;
    }
    if let Some(secret) = secret {
        check_one(lister, &BoundObject::Secret.resource(), namespace, secret, now)?;
        check_unmarked(lister, namespace, &serviceaccount.name, &secret.name)?;
    }
    match (node, pod) {
        // With a pod the node is there to be read, not to be checked: the pod outlives a node that is registered anew.
        (Some(node), None) => check_one(lister, &BoundObject::Node.resource(), "", node, now),
        _ => Ok(()),
    }
}

fn check_one(
    lister: &dyn Lister,
    resource: &GroupResource,
    namespace: &str,
    named: &Named,
    now: Timestamp,
) -> Result<(), String> {
    let Named { name, uid } = named;
    let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
    let invalid = |why: &str| format!("service account token has been invalidated: {resource} {place}{name} {why}");
    let found: Arc<Value> = lister.get(resource, namespace, name).ok_or_else(|| invalid("does not exist"))?;
    if object::uid(&found) != uid {
        return Err(invalid("is another one of the same name"));
    }
    match object::deletion_timestamp(&found) {
        Some(deleted) if deleted.as_second() < now.as_second() - LEEWAY_SECONDS => Err(invalid("has been deleted")),
        _ => Ok(()),
    }
}

/// What a Secret of tokens is marked with when nobody used it for a year; who takes the label off may use it on (upstream's
/// `pkg/serviceaccount/legacy.go`).
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";

fn check_unmarked(lister: &dyn Lister, namespace: &str, account: &str, secret: &str) -> Result<(), String> {
    let Some(found) = lister.get(&BoundObject::Secret.resource(), namespace, secret) else { return Ok(()) };
    let holds_tokens = object::str_at(&found, "/type") == Some("kubernetes.io/service-account-token");
    let mark = found.pointer("/metadata/labels").and_then(|labels| labels.get(INVALID_SINCE)?.as_str());
    if !holds_tokens || mark.unwrap_or_default().is_empty() {
        return Ok(());
    }
    Err(format!(
        "the token in secret {namespace}/{secret} for service account {namespace}/{account} has been marked invalid. Use tokens from the \
         TokenRequest API or manually created secret-based tokens, or remove the '{INVALID_SINCE}' label from the secret to temporarily \
         allow use of this token"
    ))
}

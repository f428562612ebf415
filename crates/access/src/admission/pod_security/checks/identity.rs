//! As whom a pod runs, and whom it may become.

use serde_json::Value;

use super::{Pod, Violation, containers, security, setters};

pub(super) fn privilege_escalation(pod: &Pod<'_>) -> Option<Violation> {
    let bad = pod.containers_that(|container| {
        security(container, "/allowPrivilegeEscalation").is_none_or(|allowed| *allowed != false)
    });
    if bad.is_empty() {
        return None;
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", containers(&bad));
    Violation::new("allowPrivilegeEscalation != false", detail)
}

pub(super) fn privilege_escalation_unless_windows(pod: &Pod<'_>) -> Option<Violation> {
    if pod.is_windows() { None } else { privilege_escalation(pod) }
}

/// Somebody has to say that it is not root, and nobody that it is.
pub(super) fn non_root(pod: &Pod<'_>) -> Option<Violation> {
    let reason = "runAsNonRoot != true";
    let of = |container: &Value| security(container, "/runAsNonRoot").and_then(Value::as_bool);
    let own = pod.security("/runAsNonRoot").and_then(Value::as_bool);
    let denied = pod.containers_that(|container| of(container) == Some(false));
    let who = setters(own == Some(false), &denied);
    if !who.is_empty() {
        return Violation::new(reason, format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let silent = pod.containers_that(|container| of(container).is_none() && own != Some(true));
    if silent.is_empty() {
        return None;
    }
    Violation::new(reason, format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&silent)))
}

pub(super) fn non_root_unless_own_users(pod: &Pod<'_>) -> Option<Violation> {
    if pod.has_own_users() { None } else { non_root(pod) }
}

pub(super) fn user(pod: &Pod<'_>) -> Option<Violation> {
    let is_root = |user: &Value| user.as_i64() == Some(0);
    let own = pod.security("/runAsUser").is_some_and(is_root);
    let theirs = pod.containers_that(|container| security(container, "/runAsUser").is_some_and(is_root));
    let who = setters(own, &theirs);
    if who.is_empty() { None } else { Violation::new("runAsUser=0", format!("{who} must not set runAsUser=0")) }
}

pub(super) fn user_unless_own_users(pod: &Pod<'_>) -> Option<Violation> {
    if pod.has_own_users() { None } else { user(pod) }
}

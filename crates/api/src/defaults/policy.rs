//! Access, admission, networking, scheduling and storage policies (`pkg/apis/{rbac,admissionregistration,networking,scheduling,storage}`).

use super::fill::{Members, if_absent, if_zero, is_zero, text};
use serde_json::{Map, Value};

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn role_ref(reference: &mut Members) {
    if_zero(reference, "apiGroup", RBAC_GROUP);
}

/// Users and groups belong to the RBAC group, service accounts to the core group.
pub(super) fn subject(subject: &mut Members) {
    if matches!(text(subject, "kind"), "User" | "Group") {
        if_zero(subject, "apiGroup", RBAC_GROUP);
    }
}

pub(super) fn webhook(webhook: &mut Members) {
    if_absent(webhook, "failurePolicy", "Fail");
    match_resources(webhook);
    if_absent(webhook, "timeoutSeconds", 10);
}

pub(super) fn mutating_webhook(mutating: &mut Members) {
    webhook(mutating);
    if_absent(mutating, "reinvocationPolicy", "Never");
}

pub(super) fn webhook_service(service: &mut Members) {
    if_absent(service, "port", 443);
}

pub(super) fn admission_policy(spec: &mut Members) {
    if_absent(spec, "failurePolicy", "Fail");
}

pub(super) fn match_resources(resources: &mut Members) {
    if_absent(resources, "matchPolicy", "Equivalent");
    if_absent(resources, "namespaceSelector", Map::new());
    if_absent(resources, "objectSelector", Map::new());
}

/// A policy is about incoming traffic, and about outgoing traffic too when it has rules for it.
pub(super) fn network_policy(spec: &mut Members) {
    let both = !is_zero(spec.get("egress"));
    let types: &[&str] = if both { &["Ingress", "Egress"] } else { &["Ingress"] };
    if_zero(spec, "policyTypes", types.iter().copied().map(Value::from).collect::<Vec<_>>());
}

pub(super) fn ingress_class_parameters(reference: &mut Members) {
    if_absent(reference, "scope", "Cluster");
}

pub(super) fn priority_class(class: &mut Members) {
    if_absent(class, "preemptionPolicy", "PreemptLowerPriority");
}

pub(super) fn storage_class(class: &mut Members) {
    if_absent(class, "reclaimPolicy", "Delete");
    if_absent(class, "volumeBindingMode", "Immediate");
}

pub(super) fn csi_driver(spec: &mut Members) {
    if_absent(spec, "attachRequired", true);
    if_absent(spec, "podInfoOnMount", false);
    if_absent(spec, "storageCapacity", false);
    if_absent(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    if_zero(spec, "volumeLifecycleModes", vec!["Persistent"]);
    if_absent(spec, "requiresRepublish", false);
    if_absent(spec, "seLinuxMount", false);
}

//! The profiles that confine a container's calls: AppArmor, seccomp.

use std::collections::BTreeSet;

use sampan_meta::object;
use serde_json::Value;

use super::{Pod, Violation, containers, plural, quoted, security, setters};

const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// The types of a profile that are set to something else than those allowed: whether by the pod, by whom, which.
fn profiles<'a>(pod: &Pod<'a>, profile: &str) -> (bool, Vec<&'a str>, BTreeSet<String>) {
    let pointer = format!("/{profile}/type");
    let bad = |type_: &Value| {
        type_.as_str().filter(|type_| !["Localhost", "RuntimeDefault"].contains(type_)).map(str::to_owned)
    };
    let of = |container: &Value| security(container, &pointer).and_then(bad);
    let own = pod.security(&pointer).and_then(bad);
    let theirs = pod.containers_that(|container| of(container).is_some());
    (own.is_some(), theirs, own.into_iter().chain(pod.containers().filter_map(of)).collect())
}

pub(super) fn app_armor(pod: &Pod<'_>) -> Option<Violation> {
    let (own, theirs, values) = profiles(pod, "appArmorProfile");
    let fine = |value: &str| value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
    let annotations = object::annotations(pod.metadata).into_iter().flatten();
    let mut forbidden: Vec<String> = annotations
        .filter(|(key, value)| key.starts_with(APP_ARMOR_ANNOTATION) && !fine(value.as_str().unwrap_or_default()))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    forbidden.sort();
    let mut who: Vec<String> = vec![setters(own, &theirs)];
    who.retain(|who| !who.is_empty());
    if !forbidden.is_empty() {
        who.push(plural("annotation", "annotations", forbidden.len()).to_owned());
    }
    if who.is_empty() {
        return None;
    }
    let values: Vec<String> = values.into_iter().chain(forbidden).collect();
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    Violation::new(reason, format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(&values)))
}

pub(super) fn seccomp_annotations(pod: &Pod<'_>) -> Option<Violation> {
    let fine = |value: &str| ["runtime/default", "docker/default"].contains(&value) || value.starts_with("localhost/");
    let keys = pod.containers().map(|container| format!("{SECCOMP_CONTAINER_ANNOTATION}{}", super::name(container)));
    let keys = std::iter::once(SECCOMP_ANNOTATION.to_owned()).chain(keys);
    let forbidden: BTreeSet<String> = keys
        .filter_map(|key| {
            object::annotation(pod.metadata, &key).filter(|value| !fine(value)).map(|value| format!("{key}={value:?}"))
        })
        .collect();
    if forbidden.is_empty() {
        return None;
    }
    let what = plural("annotation", "annotations", forbidden.len());
    let shown: Vec<String> = forbidden.into_iter().collect();
    Violation::new("seccompProfile", format!("forbidden {what} {}", shown.join(", ")))
}

pub(super) fn seccomp_baseline(pod: &Pod<'_>) -> Option<Violation> {
    let (own, theirs, values) = profiles(pod, "seccompProfile");
    let who = setters(own, &theirs);
    if who.is_empty() {
        return None;
    }
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(&values));
    Violation::new("seccompProfile", detail)
}

/// Somebody has to choose a profile.
pub(super) fn seccomp_restricted(pod: &Pod<'_>) -> Option<Violation> {
    if let Some(violation) = seccomp_baseline(pod) {
        return Some(violation);
    }
    if pod.security("/seccompProfile").is_some() {
        return None;
    }
    let silent = pod.containers_that(|container| security(container, "/seccompProfile").is_none());
    if silent.is_empty() {
        return None;
    }
    let detail = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
        containers(&silent)
    );
    Violation::new("seccompProfile", detail)
}

pub(super) fn seccomp_restricted_unless_windows(pod: &Pod<'_>) -> Option<Violation> {
    if pod.is_windows() { None } else { seccomp_restricted(pod) }
}

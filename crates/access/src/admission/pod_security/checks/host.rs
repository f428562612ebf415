//! What of the node a pod sees and takes.

use std::collections::BTreeSet;

use sampan_meta::object;
use serde_json::Value;

use super::{Pod, Violation, containers, plural, quoted, security, setters};

/// Volumes that every level allows.
const HARMLESS: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

pub(super) fn namespaces(pod: &Pod<'_>) -> Option<Violation> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|name| pod.spec[*name] == true);
    let shared: Vec<String> = shared.map(|name| format!("{name}=true")).collect();
    if shared.is_empty() { None } else { Violation::new("host namespaces", shared.join(", ")) }
}

fn volumes<'a>(pod: &Pod<'a>) -> &'a [Value] {
    object::list_at(pod.spec, "/volumes")
}

fn has(volume: &Value, source: &str) -> bool {
    volume.get(source).is_some_and(|source| !source.is_null())
}

pub(super) fn path_volumes(pod: &Pod<'_>) -> Option<Violation> {
    let found: Vec<&str> = volumes(pod).iter().filter(|volume| has(volume, "hostPath")).map(super::name).collect();
    let what = plural("volume", "volumes", found.len());
    if found.is_empty() { None } else { Violation::new("hostPath volumes", format!("{what} {}", quoted(&found))) }
}

pub(super) fn restricted_volumes(pod: &Pod<'_>) -> Option<Violation> {
    let harmless = |volume: &&Value| HARMLESS.iter().any(|source| has(volume, source));
    let bad: Vec<&Value> = volumes(pod).iter().filter(|volume| !harmless(volume)).collect();
    if bad.is_empty() {
        return None;
    }
    let source = |volume: &&Value| {
        let mut members = volume.as_object().into_iter().flatten();
        let source = members.find(|(name, value)| *name != "name" && !value.is_null());
        source.map_or("unknown", |(name, _)| name.as_str()).to_owned()
    };
    let types: BTreeSet<String> = bad.iter().map(source).collect();
    let detail = format!(
        "{} {} {} {} {}",
        plural("volume", "volumes", bad.len()),
        quoted(bad.iter().map(|volume| super::name(volume))),
        plural("uses", "use", bad.len()),
        plural("restricted volume type", "restricted volume types", types.len()),
        quoted(&types),
    );
    Violation::new("restricted volume types", detail)
}

pub(super) fn ports(pod: &Pod<'_>) -> Option<Violation> {
    let of = |container: &Value| -> Vec<String> {
        let ports = object::list_at(container, "/ports").iter().filter_map(|port| object::i64_at(port, "/hostPort"));
        ports.filter(|port| *port != 0).map(|port| port.to_string()).collect()
    };
    let bad = pod.containers_that(|container| !of(container).is_empty());
    if bad.is_empty() {
        return None;
    }
    let taken: BTreeSet<String> = pod.containers().flat_map(of).collect();
    let detail = format!(
        "{} {} {} {}",
        containers(&bad),
        plural("uses", "use", bad.len()),
        plural("hostPort", "hostPorts", taken.len()),
        taken.iter().cloned().collect::<Vec<_>>().join(", "),
    );
    Violation::new("hostPort", detail)
}

/// Probes and hooks that go elsewhere than to the pod.
pub(super) fn probes(pod: &Pod<'_>) -> Option<Violation> {
    let handlers = ["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];
    let of = |container: &Value| -> Vec<String> {
        let pairs =
            handlers.iter().flat_map(|handler| ["httpGet", "tcpSocket"].map(|kind| format!("{handler}/{kind}/host")));
        pairs.filter_map(|pointer| object::str_at(container, &pointer).map(str::to_owned)).collect()
    };
    let bad: BTreeSet<&str> = pod.containers_that(|container| !of(container).is_empty()).into_iter().collect();
    if bad.is_empty() {
        return None;
    }
    let hosts: BTreeSet<String> = pod.containers().flat_map(of).collect();
    let bad: Vec<&str> = bad.into_iter().collect();
    let detail = format!(
        "{} {} {} {}",
        containers(&bad),
        plural("uses", "use", bad.len()),
        plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len()),
        quoted(&hosts),
    );
    Violation::new("probe or lifecycle host", detail)
}

pub(super) fn windows_process(pod: &Pod<'_>) -> Option<Violation> {
    let pointer = "/windowsOptions/hostProcess";
    let own = pod.security(pointer).is_some_and(|value| *value == true);
    let theirs = pod.containers_that(|container| security(container, pointer).is_some_and(|value| *value == true));
    if !own && theirs.is_empty() {
        return None;
    }
    let who = setters(own, &theirs);
    Violation::new("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}

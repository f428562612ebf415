//! What a pod may ask of the kernel.

use std::collections::BTreeSet;

use sampan_meta::object;
use serde_json::Value;

use super::{Pod, Violation, containers, plural, quoted, security, setters};

const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
const SE_LINUX: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
/// Safe sysctls in the order in which they became safe: 5 at first, then one, then four, then two.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

fn texts(container: &Value, pointer: &str) -> Vec<String> {
    let list = security(container, pointer).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(super) fn privileged(pod: &Pod<'_>) -> Option<Violation> {
    let bad = pod.containers_that(|container| security(container, "/privileged").is_some_and(|value| *value == true));
    if bad.is_empty() {
        return None;
    }
    Violation::new("privileged", format!("{} must not set securityContext.privileged=true", containers(&bad)))
}

/// Capabilities that containers add beyond those `allowed`: who, and which.
fn added<'a>(pod: &Pod<'a>, allowed: &[&str]) -> (Vec<&'a str>, BTreeSet<String>) {
    let beyond = |container: &Value| -> Vec<String> {
        let added = texts(container, "/capabilities/add").into_iter();
        added.filter(|capability| !allowed.contains(&capability.as_str())).collect()
    };
    (pod.containers_that(|container| !beyond(container).is_empty()), pod.containers().flat_map(beyond).collect())
}

fn must_not_add(who: &[&str], which: &BTreeSet<String>) -> String {
    format!("{} must not include {} in securityContext.capabilities.add", containers(who), quoted(which))
}

pub(super) fn capabilities_baseline(pod: &Pod<'_>) -> Option<Violation> {
    let (who, which) = added(pod, &DEFAULT_CAPABILITIES);
    if who.is_empty() { None } else { Violation::new("non-default capabilities", must_not_add(&who, &which)) }
}

pub(super) fn capabilities_restricted(pod: &Pod<'_>) -> Option<Violation> {
    let keeping =
        pod.containers_that(|container| !texts(container, "/capabilities/drop").iter().any(|name| name == "ALL"));
    let (who, which) = added(pod, &["NET_BIND_SERVICE"]);
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", containers(&keeping)));
    }
    if !who.is_empty() {
        details.push(must_not_add(&who, &which));
    }
    if details.is_empty() { None } else { Violation::new("unrestricted capabilities", details.join("; ")) }
}

pub(super) fn capabilities_restricted_unless_windows(pod: &Pod<'_>) -> Option<Violation> {
    if pod.is_windows() { None } else { capabilities_restricted(pod) }
}

pub(super) fn proc_mount(pod: &Pod<'_>) -> Option<Violation> {
    let of = |container: &Value| {
        let mount = security(container, "/procMount").and_then(Value::as_str);
        mount.filter(|mount| *mount != "Default").map(str::to_owned)
    };
    let bad = pod.containers_that(|container| of(container).is_some());
    if bad.is_empty() {
        return None;
    }
    let types: BTreeSet<String> = pod.containers().filter_map(of).collect();
    let detail = format!("{} must not set securityContext.procMount to {}", containers(&bad), quoted(&types));
    Violation::new("procMount", detail)
}

pub(super) fn proc_mount_unless_own_users(pod: &Pod<'_>) -> Option<Violation> {
    if pod.has_own_users() { None } else { proc_mount(pod) }
}

pub(super) fn se_linux_1_0(pod: &Pod<'_>) -> Option<Violation> {
    se_linux(pod, &SE_LINUX[..4])
}

pub(super) fn se_linux_1_31(pod: &Pod<'_>) -> Option<Violation> {
    se_linux(pod, &SE_LINUX)
}

fn se_linux(pod: &Pod<'_>, allowed: &[&str]) -> Option<Violation> {
    let part = |options: &Value, name: &str| object::str_at(options, name).unwrap_or_default().to_owned();
    let bad = |options: &Value| {
        !allowed.contains(&part(options, "/type").as_str())
            || ["/user", "/role"].iter().any(|name| !part(options, name).is_empty())
    };
    let pointer = "/seLinuxOptions";
    let own = pod.security(pointer).filter(|options| bad(options));
    let theirs: Vec<(&str, &Value)> = pod
        .containers()
        .filter_map(|container| Some((super::name(container), security(container, pointer)?)))
        .filter(|(_, options)| bad(options))
        .collect();
    let names: Vec<&str> = theirs.iter().map(|(name, _)| *name).collect();
    let options: Vec<&Value> = own.into_iter().chain(theirs.iter().map(|(_, options)| *options)).collect();
    if options.is_empty() {
        return None;
    }
    let types = options.iter().map(|options| part(options, "/type")).filter(|type_| !allowed.contains(&type_.as_str()));
    let types: BTreeSet<String> = types.collect();
    let mut data = Vec::new();
    if !types.is_empty() {
        data.push(format!("{} {}", plural("type", "types", types.len()), quoted(&types)));
    }
    for name in ["user", "role"] {
        if options.iter().any(|options| !part(options, &format!("/{name}")).is_empty()) {
            data.push(format!("{name} may not be set"));
        }
    }
    let who = setters(own.is_some(), &names);
    Violation::new("seLinuxOptions", format!("{who} set forbidden securityContext.seLinuxOptions: {}", data.join("; ")))
}

fn sysctls(pod: &Pod<'_>, allowed: &[&str]) -> Option<Violation> {
    let set = pod.security("/sysctls").and_then(Value::as_array).into_iter().flatten().map(super::name);
    let bad: Vec<&str> = set.filter(|name| !allowed.contains(name)).collect();
    if bad.is_empty() { None } else { Violation::new("forbidden sysctls", bad.join(", ")) }
}

pub(super) fn sysctls_1_0(pod: &Pod<'_>) -> Option<Violation> {
    sysctls(pod, &SYSCTLS[..5])
}

pub(super) fn sysctls_1_27(pod: &Pod<'_>) -> Option<Violation> {
    sysctls(pod, &SYSCTLS[..6])
}

pub(super) fn sysctls_1_29(pod: &Pod<'_>) -> Option<Violation> {
    sysctls(pod, &SYSCTLS[..10])
}

pub(super) fn sysctls_1_32(pod: &Pod<'_>) -> Option<Violation> {
    sysctls(pod, &SYSCTLS)
}

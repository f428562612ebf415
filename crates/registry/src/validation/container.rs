//! Containers. Upstream: `validateContainers`, `validateInitContainers`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1123_label;
use serde_json::Value;

use super::{invalid_all, one_of, port_name, probe, quantity};

mod environment;
mod ephemeral;
mod mounts;

pub(crate) use ephemeral::validate_ephemeral;

/// Containers, init containers and ephemeral containers of a pod spec. `volumes` are the names that may be mounted.
pub(crate) fn validate_all(errors: &mut ErrorList, spec: &Value, volumes: &BTreeSet<&str>, path: &Path) {
    let containers = object::list_at(spec, "/containers");
    if containers.is_empty() {
        errors.push(field::required(&path.child("containers"), ""));
    }
    let mut names = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        for (index, container) in object::list_at(spec, &format!("/{list}")).iter().enumerate() {
            let path = path.child(list).index(index);
            validate_name(errors, container, &mut names, &path.child("name"));
            validate(errors, container, volumes, &path);
            validate_probes(errors, container, list == "initContainers", &path);
        }
    }
    validate_host_ports(errors, containers, path);
}

fn validate_name<'a>(errors: &mut ErrorList, container: &'a Value, names: &mut BTreeSet<&'a str>, path: &Path) {
    let Some(name) = object::str_at(container, "/name") else {
        errors.push(field::required(path, ""));
        return;
    };
    invalid_all(errors, path, name, dns1123_label(name));
    if !names.insert(name) {
        errors.push(field::duplicate(path, name));
    }
}

fn validate(errors: &mut ErrorList, container: &Value, volumes: &BTreeSet<&str>, path: &Path) {
    validate_image(errors, container, path);
    let policies = ["Always", "IfNotPresent", "Never"];
    one_of(errors, container, "/imagePullPolicy", &path.child("imagePullPolicy"), &policies);
    let policies = ["FallbackToLogsOnError", "File"];
    one_of(errors, container, "/terminationMessagePolicy", &path.child("terminationMessagePolicy"), &policies);
    validate_ports(errors, container, &path.child("ports"));
    environment::validate(errors, container, path);
    mounts::validate(errors, container, volumes, &path.child("volumeMounts"));
    quantity::validate_resources(errors, container.get("resources"), &path.child("resources"));
}

/// Also what an update may do to an image.
pub(crate) fn validate_image(errors: &mut ErrorList, container: &Value, path: &Path) {
    let path = path.child("image");
    match object::str_at(container, "/image") {
        None => errors.push(field::required(&path, "")),
        Some(image) if image.trim() != image => {
            errors.push(field::invalid(&path, image, "must not have leading or trailing whitespace"));
        }
        Some(_) => (),
    }
}

fn validate_ports(errors: &mut ErrorList, container: &Value, path: &Path) {
    let mut names = BTreeSet::new();
    for (index, port) in object::list_at(container, "/ports").iter().enumerate() {
        let path = path.index(index);
        if let Some(name) = object::str_at(port, "/name") {
            invalid_all(errors, &path.child("name"), name, port_name(name));
            if !names.insert(name) {
                errors.push(field::duplicate(&path.child("name"), name));
            }
        }
        match object::i64_at(port, "/containerPort").unwrap_or(0) {
            0 => errors.push(field::required(&path.child("containerPort"), "")),
            number => super::port(errors, number, &path.child("containerPort")),
        }
        match object::i64_at(port, "/hostPort").unwrap_or(0) {
            0 => (),
            number => super::port(errors, number, &path.child("hostPort")),
        }
        one_of(errors, port, "/protocol", &path.child("protocol"), &["SCTP", "TCP", "UDP"]);
    }
}

/// One port of the host for one port of the pod. Upstream: `checkHostPortConflicts`.
fn validate_host_ports(errors: &mut ErrorList, containers: &[Value], path: &Path) {
    let mut seen = BTreeSet::new();
    for (at, container) in containers.iter().enumerate() {
        for (index, port) in object::list_at(container, "/ports").iter().enumerate() {
            let number = object::i64_at(port, "/hostPort").unwrap_or(0);
            let text = |pointer| object::str_at(port, pointer).unwrap_or_default();
            let socket = (text("/protocol"), text("/hostIP"), number);
            if number != 0 && !seen.insert(socket) {
                let path = path.child("containers").index(at).child("ports").index(index).child("hostPort");
                let shown = format!("{}/{}/{number}", text("/protocol"), text("/hostIP"));
                errors.push(field::duplicate(&path, shown));
            }
        }
    }
}

fn validate_probes(errors: &mut ErrorList, container: &Value, init: bool, path: &Path) {
    let sidecar = object::str_at(container, "/restartPolicy") == Some("Always");
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(value) = container.get(name).filter(|value| value.is_object()) else { continue };
        let path = path.child(name);
        if init && !sidecar {
            errors.push(field::forbidden(&path, "may not be set for init containers without restartPolicy=Always"));
            continue;
        }
        probe::validate(errors, value, &path);
        let threshold = object::i64_at(value, "/successThreshold").unwrap_or(1);
        if name != "readinessProbe" && threshold != 1 {
            errors.push(field::invalid(&path.child("successThreshold"), threshold, "must be 1"));
        }
    }
    let Some(lifecycle) = container.get("lifecycle").filter(|value| value.is_object()) else { return };
    if init && !sidecar {
        errors.push(field::forbidden(
            &path.child("lifecycle"),
            "may not be set for init containers without restartPolicy=Always",
        ));
        return;
    }
    for hook in ["postStart", "preStop"] {
        if let Some(handler) = lifecycle.get(hook).filter(|value| value.is_object()) {
            probe::validate_handler(errors, handler, &path.child("lifecycle").child(hook));
        }
    }
}

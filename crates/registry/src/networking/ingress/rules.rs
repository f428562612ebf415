//! What an Ingress may say. Upstream: `ValidateIngressSpec`.

use std::net::IpAddr;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{dns1035_label, dns1123_subdomain};
use serde_json::Value;

use super::super::reference;
use crate::validation::{invalid_all, network, port, port_name};

const SEQUENCES: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const ENDS: [&str; 2] = ["/..", "/."];
const NOT_AN_ADDRESS: &str = "must be a DNS name, not an IP address";

pub(super) fn validate(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec");
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let rules = object::list_at(spec, "/rules");
    let default = spec.get("defaultBackend").filter(|backend| backend.is_object());
    if rules.is_empty() && default.is_none() {
        errors.push(field::invalid(&path, Value::Null, "either `defaultBackend` or `rules` must be specified"));
    }
    if let Some(backend) = default {
        validate_backend(&mut errors, backend, &path.child("defaultBackend"));
    }
    for (index, rule) in rules.iter().enumerate() {
        validate_rule(&mut errors, rule, &path.child("rules").index(index));
    }
    for (index, tls) in object::list_at(spec, "/tls").iter().enumerate() {
        validate_tls(&mut errors, tls, &path.child("tls").index(index));
    }
    if let Some(class) = spec.get("ingressClassName").and_then(Value::as_str) {
        invalid_all(&mut errors, &path.child("ingressClassName"), class, dns1123_subdomain(class));
    }
    errors
}

/// Upstream: `ValidateIngressLoadBalancerStatus`.
pub(super) fn validate_status(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("status").child("loadBalancer").child("ingress");
    for (index, entry) in object::list_at(object, "/status/loadBalancer/ingress").iter().enumerate() {
        let path = path.index(index);
        if let Some(ip) = object::str_at(entry, "/ip").filter(|ip| ip.parse::<IpAddr>().is_err()) {
            invalid_all(&mut errors, &path.child("ip"), ip, network::ip_messages(ip));
        }
        if let Some(host) = object::str_at(entry, "/hostname") {
            let path = path.child("hostname");
            invalid_all(&mut errors, &path, host, dns1123_subdomain(host));
            if host.parse::<IpAddr>().is_ok() {
                errors.push(field::invalid(&path, host, NOT_AN_ADDRESS));
            }
        }
    }
    errors
}

fn validate_rule(errors: &mut ErrorList, rule: &Value, path: &Path) {
    if let Some(host) = object::str_at(rule, "/host") {
        let path = path.child("host");
        if host.parse::<IpAddr>().is_ok() {
            errors.push(field::invalid(&path, host, NOT_AN_ADDRESS));
        }
        invalid_all(errors, &path, host, network::host_messages(host));
    }
    let Some(http) = rule.get("http").filter(|http| http.is_object()) else { return };
    let (paths, path) = (object::list_at(http, "/paths"), path.child("http").child("paths"));
    if paths.is_empty() {
        errors.push(field::required(&path, ""));
    }
    for (index, entry) in paths.iter().enumerate() {
        validate_path(errors, entry, &path.index(index));
    }
}

fn validate_path(errors: &mut ErrorList, entry: &Value, path: &Path) {
    let text = object::str_at(entry, "/path").unwrap_or_default();
    let within = path.child("path");
    match object::str_at(entry, "/pathType") {
        None => {
            errors.push(field::required(&path.child("pathType"), "pathType must be specified"));
            return;
        }
        Some("Exact" | "Prefix") => validate_exact(errors, text, &within),
        Some("ImplementationSpecific") if !text.is_empty() && !text.starts_with('/') => {
            errors.push(field::invalid(&within, text, "must be an absolute path"));
        }
        Some("ImplementationSpecific") => (),
        Some(other) => {
            let types = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.push(field::not_supported(&path.child("pathType"), other, &types));
        }
    }
    validate_backend(errors, entry.get("backend").unwrap_or(&Value::Null), &path.child("backend"));
}

fn validate_exact(errors: &mut ErrorList, text: &str, path: &Path) {
    if !text.starts_with('/') {
        errors.push(field::invalid(path, text, "must be an absolute path"));
    }
    for sequence in SEQUENCES.into_iter().filter(|sequence| text.contains(sequence)) {
        errors.push(field::invalid(path, text, format!("must not contain '{sequence}'")));
    }
    for end in ENDS.into_iter().filter(|end| text.ends_with(end)) {
        errors.push(field::invalid(path, text, format!("cannot end with '{end}'")));
    }
}

fn validate_backend(errors: &mut ErrorList, backend: &Value, path: &Path) {
    let given = |name: &str| backend.get(name).filter(|value| value.is_object());
    match (given("resource"), given("service")) {
        (Some(_), Some(_)) => errors.push(field::invalid(path, "", "cannot set both resource and service backends")),
        (Some(resource), None) => reference::validate(errors, resource, &path.child("resource")),
        (None, Some(service)) => validate_service(errors, service, path),
        (None, None) => errors.push(field::invalid(path, "", "resource or service backend is required")),
    }
}

fn validate_service(errors: &mut ErrorList, service: &Value, path: &Path) {
    let within = path.child("service");
    match object::str_at(service, "/name") {
        None => errors.push(field::required(&within.child("name"), "")),
        Some(name) => invalid_all(errors, &within.child("name"), name, dns1035_label(name)),
    }
    let number = object::i64_at(service, "/port/number").filter(|number| *number != 0);
    match (object::str_at(service, "/port/name"), number) {
        (Some(_), Some(_)) => errors.push(field::invalid(path, "", "cannot set both port name & port number")),
        (Some(name), None) => invalid_all(errors, &within.child("port").child("name"), name, port_name(name)),
        (None, Some(number)) => port(errors, number, &within.child("port").child("number")),
        (None, None) => errors.push(field::required(path, "port name or number is required")),
    }
}

fn validate_tls(errors: &mut ErrorList, tls: &Value, path: &Path) {
    for (index, host) in object::list_at(tls, "/hosts").iter().filter_map(Value::as_str).enumerate() {
        invalid_all(errors, &path.child("hosts").index(index), host, network::host_messages(host));
    }
    if let Some(name) = object::str_at(tls, "/secretName") {
        invalid_all(errors, &path.child("secretName"), name, dns1123_subdomain(name));
    }
}

//! What a Service may say. Upstream: `ValidateService`, `ValidateServiceUpdate`.

use std::net::IpAddr;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1123_label;
use serde_json::Value;

use crate::validation::{self, immutable, invalid_all, labels, one_of};

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

pub(super) fn kind(object: &Value) -> &str {
    object::str_at(object, "/spec/type").unwrap_or("ClusterIP")
}

pub(super) fn is_headless(object: &Value) -> bool {
    object::str_at(object, "/spec/clusterIP") == Some("None")
}

pub(super) fn validate(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec");
    one_of(&mut errors, object, "/spec/type", &path.child("type"), &TYPES);
    validate_ports(&mut errors, object, &path.child("ports"));
    validate_addresses(&mut errors, object, &path);
    let selector = object.pointer("/spec/selector").and_then(Value::as_object);
    labels::validate(&mut errors, selector, &path.child("selector"));
    one_of(&mut errors, object, "/spec/sessionAffinity", &path.child("sessionAffinity"), &["ClientIP", "None"]);
    let policies = ["Cluster", "Local"];
    one_of(&mut errors, object, "/spec/externalTrafficPolicy", &path.child("externalTrafficPolicy"), &policies);
    one_of(&mut errors, object, "/spec/internalTrafficPolicy", &path.child("internalTrafficPolicy"), &policies);
    errors
}

fn validate_ports(errors: &mut ErrorList, object: &Value, path: &Path) {
    let ports = object::list_at(object, "/spec/ports");
    if ports.is_empty() && !is_headless(object) && kind(object) != "ExternalName" {
        errors.push(field::required(path, ""));
    }
    for (index, port) in ports.iter().enumerate() {
        validate_port(errors, object, port, ports.len() > 1, &path.index(index));
        let earlier = &ports[..index];
        refuse_duplicates(errors, port, earlier, path, index);
    }
}

fn validate_port(errors: &mut ErrorList, object: &Value, port: &Value, named: bool, path: &Path) {
    match object::str_at(port, "/name") {
        None if named => errors.push(field::required(&path.child("name"), "")),
        None => (),
        Some(name) => invalid_all(errors, &path.child("name"), name, dns1123_label(name)),
    }
    validation::port(errors, cell_number(port, "/port"), &path.child("port"));
    let protocols = ["SCTP", "TCP", "UDP"];
    one_of(errors, port, "/protocol", &path.child("protocol"), &protocols);
    match port.get("targetPort") {
        Some(Value::Number(number)) => {
            validation::port(errors, number.as_i64().unwrap_or(0), &path.child("targetPort"));
        }
        Some(Value::String(name)) => {
            invalid_all(errors, &path.child("targetPort"), name, validation::port_name(name));
        }
        _ => (),
    }
    if cell_number(port, "/nodePort") != 0 && matches!(kind(object), "ClusterIP" | "ExternalName") {
        errors.push(field::forbidden(&path.child("nodePort"), "may not be used when `type` is 'ClusterIP'"));
    }
}

fn refuse_duplicates(errors: &mut ErrorList, port: &Value, earlier: &[Value], path: &Path, index: usize) {
    let path = path.index(index);
    let same = |pointer: &str| {
        let value = port.pointer(pointer).filter(|value| !value.is_null());
        value.is_some() && earlier.iter().any(|other| other.pointer(pointer) == value)
    };
    if same("/name") {
        errors.push(field::duplicate(&path.child("name"), port["name"].clone()));
    }
    let pair = |port: &Value, pointer: &str| {
        (cell_number(port, pointer), object::str_at(port, "/protocol").unwrap_or("TCP").to_owned())
    };
    if earlier.iter().any(|other| pair(other, "/port") == pair(port, "/port")) {
        let value = serde_json::json!({"port": port["port"], "protocol": port.get("protocol")});
        errors.push(field::duplicate(&path, value));
    }
    let node_port = cell_number(port, "/nodePort");
    if node_port != 0 && earlier.iter().any(|other| pair(other, "/nodePort") == pair(port, "/nodePort")) {
        errors.push(field::duplicate(&path.child("nodePort"), node_port));
    }
}

fn cell_number(value: &Value, pointer: &str) -> i64 {
    object::i64_at(value, pointer).unwrap_or(0)
}

fn validate_addresses(errors: &mut ErrorList, object: &Value, path: &Path) {
    let cluster_ip = object::str_at(object, "/spec/clusterIP").unwrap_or_default();
    let first = object::str_at(object, "/spec/clusterIPs/0");
    if kind(object) == "ExternalName" {
        if !cluster_ip.is_empty() && cluster_ip != "None" {
            errors.push(field::forbidden(&path.child("clusterIPs"), "may not be set for ExternalName services"));
        }
        match object::str_at(object, "/spec/externalName") {
            Some(name) => {
                let messages = sampan_meta::validation::dns1123_subdomain(name.trim_end_matches('.'));
                invalid_all(errors, &path.child("externalName"), name, messages);
            }
            None => errors.push(field::required(&path.child("externalName"), "")),
        }
        return;
    }
    if !matches!(kind(object), "ClusterIP") && is_headless(object) {
        let why = format!("may not be set to 'None' for {} services", kind(object));
        errors.push(field::invalid(&path.child("clusterIPs").index(0), "None", why));
    }
    if first.is_some_and(|first| first != cluster_ip) {
        let why = "first value must match `clusterIP`";
        errors.push(field::invalid(
            &path.child("clusterIPs"),
            object.pointer("/spec/clusterIPs").cloned().unwrap_or_default(),
            why,
        ));
    }
    if !matches!(cluster_ip, "" | "None") && cluster_ip.parse::<IpAddr>().is_err() {
        let path = path.child("clusterIPs").index(0);
        errors.push(field::invalid(&path, cluster_ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
    }
    for (index, address) in object::list_at(object, "/spec/externalIPs").iter().filter_map(Value::as_str).enumerate() {
        if address.parse::<IpAddr>().is_err() {
            let path = path.child("externalIPs").index(index);
            errors.push(field::invalid(
                &path,
                address,
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            ));
        }
    }
}

pub(super) fn validate_update(object: &Value, old: &Value) -> ErrorList {
    let mut errors = validate(object);
    let (was, is) = (kind(old), kind(object));
    let had = object::str_at(old, "/spec/clusterIP").is_some();
    if was != "ExternalName" && is != "ExternalName" && had {
        let path = Path::new("spec").child("clusterIPs").index(0);
        immutable_text(&mut errors, object, old, &path);
    }
    errors
}

/// Upstream's text for this one field has a trailing detail of its own.
fn immutable_text(errors: &mut ErrorList, object: &Value, old: &Value, path: &Path) {
    let mut found = ErrorList::new();
    immutable(&mut found, object, old, "/spec/clusterIP", path);
    let shown = object.pointer("/spec/clusterIPs").cloned().unwrap_or_default();
    errors.extend(found.into_iter().map(|_| field::invalid(path, shown.clone(), "may not change once set")));
}

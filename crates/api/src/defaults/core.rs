//! The core group but pods (`pkg/apis/core/v1/defaults.go`), and the ports of endpoint slices.

use super::fill::{Members, if_absent, if_zero, is_zero, object, objects, text};
use super::pod::template_labels;
use serde_json::{Map, Value, json};

/// The label every namespace carries: its own name.
const METADATA_NAME: &str = "kubernetes.io/metadata.name";

/// The session affinity of a Service lasts three hours.
const AFFINITY_SECONDS: i64 = 10_800;

pub(super) fn namespace(namespace: &mut Members) {
    let Some(metadata) = object(namespace, "metadata") else { return };
    let name = text(metadata, "name").to_owned();
    // A name yet to be generated is labelled by the registry.
    if let (false, Some(labels)) = (name.is_empty(), object(metadata, "labels")) {
        labels.insert(METADATA_NAME.to_owned(), Value::String(name));
    }
    if metadata.get("labels").is_some_and(|labels| is_zero(Some(labels))) {
        metadata.remove("labels");
    }
}

pub(super) fn namespace_status(status: &mut Members) {
    if_zero(status, "phase", "Active");
}

pub(super) fn node_status(status: &mut Members) {
    if let Some(capacity) = status.get("capacity").cloned() {
        if_absent(status, "allocatable", capacity);
    }
}

pub(super) fn secret(secret: &mut Members) {
    if_zero(secret, "type", "Opaque");
}

pub(super) fn port_protocol(port: &mut Members) {
    if_zero(port, "protocol", "TCP");
}

pub(super) fn endpoint_slice_port(port: &mut Members) {
    if_absent(port, "name", "");
    if_absent(port, "protocol", "TCP");
}

pub(super) fn service(service: &mut Members) {
    let Some(spec) = object(service, "spec") else { return };
    session_affinity(spec);
    if_zero(spec, "type", "ClusterIP");
    for port in objects(spec, "ports") {
        port_protocol(port);
        if let Some(number) = port.get("port").cloned() {
            if_zero(port, "targetPort", number);
        }
    }
    let type_ = text(spec, "type").to_owned();
    if is_externally_accessible(spec, &type_) {
        if_zero(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(type_.as_str(), "ClusterIP" | "NodePort" | "LoadBalancer") {
        if_absent(spec, "internalTrafficPolicy", "Cluster");
    }
    if type_ == "LoadBalancer" {
        if_absent(spec, "allocateLoadBalancerNodePorts", true);
        load_balancer_ip_mode(service);
    }
}

fn session_affinity(spec: &mut Members) {
    if_zero(spec, "sessionAffinity", "None");
    match text(spec, "sessionAffinity") {
        "None" => _ = spec.remove("sessionAffinityConfig"),
        "ClientIP" => {
            let seconds = |config: &Value| config.pointer("/clientIP/timeoutSeconds").is_some_and(Value::is_number);
            if !spec.get("sessionAffinityConfig").is_some_and(seconds) {
                let config = json!({"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}});
                spec.insert("sessionAffinityConfig".to_owned(), config);
            }
        }
        _ => {}
    }
}

fn is_externally_accessible(spec: &Members, type_: &str) -> bool {
    matches!(type_, "NodePort" | "LoadBalancer") || (type_ == "ClusterIP" && !is_zero(spec.get("externalIPs")))
}

fn load_balancer_ip_mode(service: &mut Members) {
    let status = service.get_mut("status").and_then(|status| status.get_mut("loadBalancer"));
    let Some(load_balancer) = status.and_then(Value::as_object_mut) else { return };
    for ingress in objects(load_balancer, "ingress") {
        if !text(ingress, "ip").is_empty() {
            if_absent(ingress, "ipMode", "VIP");
        }
    }
}

pub(super) fn replication_controller(controller: &mut Members) {
    let Some(spec) = object(controller, "spec") else { return };
    let Some(labels) = template_labels(spec) else { return };
    if_zero(spec, "selector", labels.clone());
    if let Some(metadata) = object(controller, "metadata") {
        if_zero(metadata, "labels", labels);
    }
}

pub(super) fn persistent_volume(volume: &mut Members) {
    if let Some(status) = object(volume, "status") {
        if_zero(status, "phase", "Pending");
    }
    if let Some(spec) = object(volume, "spec") {
        if_zero(spec, "persistentVolumeReclaimPolicy", "Retain");
        if_absent(spec, "volumeMode", "Filesystem");
    }
}

pub(super) fn persistent_volume_claim(claim: &mut Members) {
    if let Some(status) = object(claim, "status") {
        if_zero(status, "phase", "Pending");
    }
}

pub(super) fn persistent_volume_claim_spec(spec: &mut Members) {
    if_absent(spec, "volumeMode", "Filesystem");
}

/// For containers: the default limit is the maximum, the default request the default limit or else the minimum.
pub(super) fn limit_range_item(item: &mut Members) {
    if text(item, "type") != "Container" {
        return;
    }
    for (target, source) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
        let amounts = item.get(source).and_then(Value::as_object).cloned().unwrap_or_default();
        complete(item, target, amounts);
    }
}

fn complete(item: &mut Members, target: &str, amounts: Map<String, Value>) {
    if amounts.is_empty() {
        return;
    }
    let Some(target) = object(item, target) else { return };
    for (name, amount) in amounts {
        target.entry(name).or_insert(amount);
    }
}

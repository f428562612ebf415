//! Pods and what is in them (`pkg/apis/core/v1/defaults.go`).

use super::fill::{Members, if_absent, if_zero, is_zero, object, objects, text};
use sampan_meta::Quantity;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const CONTAINER_LISTS: [&str; 2] = ["containers", "initContainers"];

/// What holds for pods but not for the templates they are made of.
pub(super) fn pod(pod: &mut Members) {
    let Some(spec) = object(pod, "spec") else { return };
    for list in CONTAINER_LISTS {
        objects(spec, list).for_each(requests_from_limits);
    }
    pod_requests(spec);
    if_absent(spec, "enableServiceLinks", true);
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        for list in CONTAINER_LISTS {
            objects(spec, list).for_each(host_ports);
        }
    }
}

/// A container that may use so much asks for so much, unless it says otherwise.
fn requests_from_limits(container: &mut Members) {
    let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    let Some(requests) = object(resources, "requests") else { return };
    for (name, amount) in limits {
        requests.entry(name).or_insert(amount);
    }
}

/// With host networking a container's port is the node's.
fn host_ports(container: &mut Members) {
    for port in objects(container, "ports") {
        if let Some(number) = port.get("containerPort").cloned() {
            if_zero(port, "hostPort", number);
        }
    }
}

/// A pod with limits of its own asks for what its containers ask for together or, where they ask for nothing, for its limits.
fn pod_requests(spec: &mut Members) {
    let limits = spec.get("resources").and_then(|resources| resources.get("limits")).and_then(Value::as_object);
    let Some(limits) = limits.filter(|limits| !limits.is_empty()).cloned() else { return };
    let together = container_requests(spec);
    let Some(requests) = object(spec, "resources").and_then(|resources| object(resources, "requests")) else { return };
    for (name, amount) in together.into_iter().filter(|(name, _)| name == "cpu" || name == "memory") {
        requests.entry(name).or_insert_with(|| Value::String(amount.to_string()));
    }
    let on_pods = |name: &str| name == "cpu" || name == "memory" || name.starts_with("hugepages-");
    for (name, amount) in limits.into_iter().filter(|(name, _)| on_pods(name)) {
        requests.entry(name).or_insert(amount);
    }
    if requests.is_empty() {
        spec.get_mut("resources").and_then(Value::as_object_mut).map(|resources| resources.remove("requests"));
    }
}

type Resources = BTreeMap<String, Quantity>;

/// What a pod's containers ask for: all that run side by side, or an init container when that is more.
fn container_requests(spec: &Members) -> Resources {
    let containers = |list: &str| spec.get(list).and_then(Value::as_array).into_iter().flatten();
    let mut beside = Resources::new();
    let mut largest = Resources::new();
    for container in containers("initContainers") {
        let mut while_it_runs = beside.clone();
        add(&mut while_it_runs, container);
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            beside.clone_from(&while_it_runs);
        }
        raise(&mut largest, while_it_runs);
    }
    for container in containers("containers") {
        add(&mut beside, container);
    }
    raise(&mut largest, beside);
    largest
}

fn add(sum: &mut Resources, container: &Value) {
    let requests = container.pointer("/resources/requests").and_then(Value::as_object).into_iter().flatten();
    for (name, amount) in requests {
        if let Some(amount) = amount.as_str().and_then(|text| Quantity::parse(text).ok()) {
            *sum.entry(name.clone()).or_default() += amount;
        }
    }
}

fn raise(largest: &mut Resources, others: Resources) {
    for (name, amount) in others {
        let current = largest.entry(name).or_insert(amount);
        *current = (*current).max(amount);
    }
}

pub(super) fn pod_spec(spec: &mut Members) {
    if_zero(spec, "dnsPolicy", "ClusterFirst");
    if_zero(spec, "restartPolicy", "Always");
    if_absent(spec, "securityContext", Map::new());
    if_absent(spec, "terminationGracePeriodSeconds", 30);
    if_zero(spec, "schedulerName", "default-scheduler");
}

pub(super) fn container(container: &mut Members) {
    let policy = pull_policy(text(container, "image"));
    if_zero(container, "imagePullPolicy", policy);
    if_zero(container, "terminationMessagePath", "/dev/termination-log");
    if_zero(container, "terminationMessagePolicy", "File");
}

/// An image named `latest`, or by no tag and no digest, may change under its name. (No name at all is validation's to refuse.)
fn pull_policy(image: &str) -> &'static str {
    if image.is_empty() {
        return "IfNotPresent";
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    let (name, digest) = name.split_once('@').map_or((name, None), |(name, digest)| (name, Some(digest)));
    match name.split_once(':').map(|(_, tag)| tag) {
        Some("latest") => "Always",
        None if digest.is_none() => "Always",
        _ => "IfNotPresent",
    }
}

/// A volume without a source is an empty directory.
pub(super) fn volume(volume: &mut Members) {
    if volume.keys().all(|name| name == "name") {
        volume.insert("emptyDir".to_owned(), Value::Object(Map::new()));
    }
    if let Some(image) = volume.get_mut("image").and_then(Value::as_object_mut) {
        let policy = pull_policy(text(image, "reference"));
        if_zero(image, "pullPolicy", policy);
    }
}

/// Files are readable by all and writable by the owner: 0644.
pub(super) fn file_mode(source: &mut Members) {
    if_absent(source, "defaultMode", 0o644);
}

pub(super) fn service_account_token(projection: &mut Members) {
    if_absent(projection, "expirationSeconds", 3600);
}

pub(super) fn host_path(source: &mut Members) {
    if_absent(source, "type", "");
}

pub(super) fn object_field_selector(selector: &mut Members) {
    if_zero(selector, "apiVersion", "v1");
}

pub(super) fn probe(probe: &mut Members) {
    if_zero(probe, "timeoutSeconds", 1);
    if_zero(probe, "periodSeconds", 10);
    if_zero(probe, "successThreshold", 1);
    if_zero(probe, "failureThreshold", 3);
}

pub(super) fn http_get_action(action: &mut Members) {
    if_zero(action, "path", "/");
    if_zero(action, "scheme", "HTTP");
}

pub(super) fn grpc_action(action: &mut Members) {
    if_absent(action, "service", "");
}

/// Whether a pod template has labels, and which.
pub(super) fn template_labels(spec: &Members) -> Option<Value> {
    let labels = spec.get("template")?.get("metadata")?.get("labels")?;
    (!is_zero(Some(labels))).then(|| labels.clone())
}

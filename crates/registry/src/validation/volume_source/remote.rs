//! File systems over a network, and drivers of other people's.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1123_label;
use serde_json::Value;

use super::Owner;
use crate::validation::invalid_all;

/// Ceph: who knows the way, and (block devices) which image.
pub(super) fn validate_monitors(errors: &mut ErrorList, source: &Value, kind: &str, path: &Path) {
    if object::list_at(source, "/monitors").is_empty() {
        errors.push(field::required(&path.child("monitors"), ""));
    }
    if kind == "rbd" && object::str_at(source, "/image").is_none() {
        errors.push(field::required(&path.child("image"), ""));
    }
}

pub(super) fn validate_quobyte(errors: &mut ErrorList, source: &Value, path: &Path) {
    let text = |name: &str| object::str_at(source, &format!("/{name}")).unwrap_or_default();
    let registry = text("registry");
    let why = "must be a host:port pair or multiple pairs separated by commas";
    if registry.is_empty() {
        errors.push(field::required(&path.child("registry"), why));
    } else if text("tenant").len() >= 65 {
        let why = "must be a UUID and may not exceed a length of 64 characters";
        errors.push(field::required(&path.child("tenant"), why));
    } else {
        for _ in registry.split(',').filter(|pair| !is_host_and_port(pair)) {
            errors.push(field::invalid(&path.child("registry"), registry, why));
        }
    }
    if text("volume").is_empty() {
        errors.push(field::required(&path.child("volume"), ""));
    }
}

/// One colon, or a host in brackets before the last one.
fn is_host_and_port(pair: &str) -> bool {
    match pair.rsplit_once(':') {
        Some((host, _)) if host.starts_with('[') => host.ends_with(']'),
        Some((host, _)) => !host.contains(':') && !host.contains('['),
        None => false,
    }
}

pub(super) fn validate_glusterfs(errors: &mut ErrorList, source: &Value, owner: Owner, path: &Path) {
    let namespace = source.get("endpointsNamespace").and_then(Value::as_str);
    let Some(namespace) = namespace.filter(|_| owner == Owner::PersistentVolume) else { return };
    let path = path.child("endpointsNamespace");
    if namespace.is_empty() {
        let why = "if the endpointnamespace is set, it must be a valid namespace name";
        errors.push(field::invalid(&path, namespace, why));
    } else {
        invalid_all(errors, &path, namespace, dns1123_label(namespace));
    }
}

pub(super) fn validate_flocker(errors: &mut ErrorList, source: &Value, path: &Path) {
    let (name, id) = (object::str_at(source, "/datasetName"), object::str_at(source, "/datasetUUID"));
    match (name, id) {
        (None, None) => errors.push(field::required(path, "one of datasetName and datasetUUID is required")),
        (Some(_), Some(_)) => {
            let why = "datasetName and datasetUUID can not be specified simultaneously";
            errors.push(field::invalid(path, "resource", why));
        }
        _ => (),
    }
    if let Some(name) = name.filter(|name| name.contains('/')) {
        errors.push(field::invalid(&path.child("datasetName"), name, "must not contain '/'"));
    }
}

/// Options that the system would set itself are not the user's to set.
pub(super) fn validate_flex(errors: &mut ErrorList, source: &Value, path: &Path) {
    for (key, _) in source.get("options").and_then(Value::as_object).into_iter().flatten() {
        let domain = key.split('/').next().unwrap_or_default();
        let domain = format!(".{}", domain.to_lowercase());
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            let why = "kubernetes.io and k8s.io namespaces are reserved";
            errors.push(field::invalid(&path.child("options").key(key), key.as_str(), why));
        }
    }
}

pub(super) fn validate_azure_file(errors: &mut ErrorList, source: &Value, owner: Owner, path: &Path) {
    let namespace = source.get("secretNamespace").and_then(Value::as_str);
    if owner == Owner::PersistentVolume && namespace == Some("") {
        errors.push(field::required(&path.child("secretNamespace"), ""));
    }
}

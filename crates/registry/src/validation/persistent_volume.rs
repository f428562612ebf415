//! Specs of persistent volumes, their own and inline ones. Upstream: `ValidatePersistentVolumeSpec`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::validation::dns1123_subdomain;
use sampan_meta::{Quantity, object};
use serde_json::Value;

use super::volume_source::{self, Owner};
use super::{invalid_all, one_of, volume_affinity};

/// In upstream's order.
const SOURCES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];
const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const FILESYSTEM: &str = "Filesystem";

/// The sources alone, as they may not change.
pub(crate) fn source_of(spec: &Value) -> Vec<(&'static str, &Value)> {
    let given = |name: &&'static str| Some((*name, spec.get(*name).filter(|source| !source.is_null())?));
    SOURCES.iter().filter_map(given).collect()
}

/// The spec of the volume of that name.
pub(crate) fn validate(errors: &mut ErrorList, spec: &Value, name: &str, path: &Path) {
    validate_access_modes(errors, spec, "", path);
    validate_capacity(errors, spec, &path.child("capacity"));
    let policies = ["Delete", "Recycle", "Retain"];
    let path_of_policy = path.child("persistentVolumeReclaimPolicy");
    one_of(errors, spec, "/persistentVolumeReclaimPolicy", &path_of_policy, &policies);
    let affinity = spec.get("nodeAffinity").filter(|affinity| affinity.is_object());
    if let Some(affinity) = affinity {
        volume_affinity::validate(errors, affinity, &path.child("nodeAffinity"));
    }
    validate_source(errors, spec, name, path);
    let placed = affinity.and_then(|affinity| affinity.get("required")).is_some_and(Value::is_object);
    if spec.get("local").is_some_and(Value::is_object) && !placed {
        errors.push(field::required(&path.child("nodeAffinity"), "Local volume requires node affinity"));
    }
    let recycled = object::str_at(spec, "/persistentVolumeReclaimPolicy") == Some("Recycle");
    let root = object::str_at(spec, "/hostPath/path").is_some_and(is_root);
    if recycled && root {
        errors.push(field::forbidden(&path_of_policy, "may not be 'recycle' for a hostPath mount of '/'"));
    }
    if let Some(class) = object::str_at(spec, "/storageClassName") {
        invalid_all(errors, &path.child("storageClassName"), class, dns1123_subdomain(class));
    }
    one_of(errors, spec, "/volumeMode", &path.child("volumeMode"), &["Block", FILESYSTEM]);
    validate_attributes_class(errors, spec, path);
}

/// A spec within a VolumeAttachment: a CSI source and hardly anything else.
pub(crate) fn validate_inline(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let given = |name: &str| spec.get(name).is_some_and(|value| !value.is_null() && *value != "");
    for name in ["claimRef", "capacity", "nodeAffinity", "storageClassName"] {
        if given(name) {
            errors.push(field::forbidden(&path.child(name), "may not be specified in the context of inline volumes"));
        }
    }
    if !given("csi") {
        let why = "has to be specified in the context of inline volumes";
        errors.push(field::required(&path.child("csi"), why));
    }
    validate_access_modes(errors, spec, "", path);
    let policy = object::str_at(spec, "/persistentVolumeReclaimPolicy");
    if policy.is_some_and(|policy| policy != "Retain") {
        let why = "may only be Retain in the context of inline volumes";
        errors.push(field::forbidden(&path.child("persistentVolumeReclaimPolicy"), why));
    }
    validate_source(errors, spec, "", path);
    if object::str_at(spec, "/volumeMode").is_some_and(|mode| mode != FILESYSTEM) {
        let why = "may not specify volumeMode other than Filesystem in the context of inline volumes";
        errors.push(field::forbidden(&path.child("volumeMode"), why));
    }
}

fn validate_source(errors: &mut ErrorList, spec: &Value, name: &str, path: &Path) {
    if let Some((kind, source)) = volume_source::single(errors, spec, &SOURCES, path) {
        volume_source::validate(errors, kind, source, Owner::PersistentVolume, name, path);
    }
}

/// `/`, `//`, `/./`: what is the root of the host when cleaned.
fn is_root(given: &str) -> bool {
    let mut depth = 0_usize;
    for step in given.split('/').filter(|step| !matches!(*step, "" | ".")) {
        depth = if step == ".." { depth.saturating_sub(1) } else { depth + 1 };
    }
    given.starts_with('/') && depth == 0
}

/// `accessModes`, of volumes and of claims; `missing` is what to say when there are none.
pub(crate) fn validate_access_modes(errors: &mut ErrorList, spec: &Value, missing: &str, path: &Path) {
    let path = path.child("accessModes");
    let modes: Vec<&str> = object::list_at(spec, "/accessModes").iter().filter_map(Value::as_str).collect();
    if modes.is_empty() {
        errors.push(field::required(&path, missing));
    }
    for mode in modes.iter().filter(|mode| !MODES.contains(mode)) {
        errors.push(field::not_supported(&path, *mode, &MODES));
    }
    let one_pod = "ReadWriteOncePod";
    if modes.contains(&one_pod) && modes.iter().any(|mode| MODES.contains(mode) && *mode != one_pod) {
        errors.push(field::forbidden(&path, "may not use ReadWriteOncePod with other access modes"));
    }
}

fn validate_capacity(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let capacity = spec.get("capacity").and_then(Value::as_object).cloned().unwrap_or_default();
    if capacity.is_empty() {
        errors.push(field::required(path, ""));
    }
    if !capacity.contains_key("storage") || capacity.len() > 1 {
        errors.push(field::not_supported(path, capacity.clone(), &["storage"]));
    }
    for (name, amount) in &capacity {
        validate_positive(errors, amount, &path.key(name));
    }
}

/// An amount of something there has to be some of. Upstream: `ValidatePositiveQuantityValue`.
pub(crate) fn validate_positive(errors: &mut ErrorList, amount: &Value, path: &Path) {
    let parsed = amount.as_str().and_then(|text| Quantity::parse(text).ok());
    if parsed.is_some_and(|amount| amount <= Quantity::ZERO) {
        errors.push(field::invalid(path, amount.clone(), "must be greater than zero"));
    }
}

fn validate_attributes_class(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let Some(class) = spec.get("volumeAttributesClassName").and_then(Value::as_str) else { return };
    let path_of_class = path.child("volumeAttributesClassName");
    match class {
        "" => errors.push(field::required(&path_of_class, "an empty string is disallowed")),
        class => invalid_all(errors, &path_of_class, class, dns1123_subdomain(class)),
    }
    if !spec.get("csi").is_some_and(Value::is_object) {
        let why = "has to be specified when using volumeAttributesClassName";
        errors.push(field::required(&path.child("csi"), why));
    }
}

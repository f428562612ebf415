//! Volumes whose files the node writes: of keys, of the pod's own fields, and several of these together.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::validation::qualified_name;
use sampan_meta::{Quantity, object};
use serde_json::Value;

use super::{require, validate_mode};
use crate::validation::invalid_all;
use crate::validation::volume_source::validate_not_reserved;

/// Fields of the pod that files may hold.
const FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Fields that have a name at all.
const KNOWN: [&str; 9] = [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const BYTE_DIVISORS: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
/// Seconds a token has to last at least, and may last at most.
const TOKEN_SECONDS: (i64, i64) = (600, 1 << 32);

/// `items` of a Secret or ConfigMap. Upstream: `validateKeyToPath`.
pub(super) fn validate_keys(errors: &mut ErrorList, source: &Value, path: &Path) {
    for (index, item) in object::list_at(source, "/items").iter().enumerate() {
        let path = path.child("items").index(index);
        require(errors, item, "key", &path);
        require(errors, item, "path", &path);
        let given = object::str_at(item, "/path").unwrap_or_default();
        validate_not_reserved(errors, given, &path.child("path"));
        validate_mode(errors, item, "mode", &path);
    }
}

/// `items` of the downward API. Upstream speaks of the volume, not of the item.
pub(super) fn validate_downward(errors: &mut ErrorList, source: &Value, path: &Path) {
    for item in object::list_at(source, "/items") {
        require(errors, item, "path", path);
        let given = object::str_at(item, "/path").unwrap_or_default();
        validate_not_reserved(errors, given, &path.child("path"));
        let reference = |name: &str| item.get(name).filter(|reference| reference.is_object());
        match (reference("fieldRef"), reference("resourceFieldRef")) {
            (None, None) => errors.push(field::required(path, "one of fieldRef and resourceFieldRef is required")),
            (Some(of_field), of_resource) => {
                validate_field(errors, of_field, &path.child("fieldRef"));
                if of_resource.is_some() {
                    let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                    errors.push(field::invalid(path, "resource", why));
                }
            }
            (None, Some(of_resource)) => validate_resource(errors, of_resource, &path.child("resourceFieldRef")),
        }
        validate_mode(errors, item, "mode", path);
    }
}

/// `metadata.name`, `metadata.labels['tier']`. Upstream: `validateObjectFieldSelector`.
fn validate_field(errors: &mut ErrorList, reference: &Value, path: &Path) {
    let path_of_field = path.child("fieldPath");
    let Some(given) = object::str_at(reference, "/fieldPath") else {
        errors.push(field::required(&path_of_field, ""));
        return;
    };
    let subscripted = given.strip_suffix("']").and_then(|start| start.split_once("['"));
    let name = subscripted.map_or(given, |(name, _)| name);
    if !FIELDS.contains(&name) && !KNOWN.contains(&name) {
        let why = format!("error converting fieldPath: field label not supported: {given}");
        errors.push(field::invalid(&path_of_field, given, why));
        return;
    }
    match (name, subscripted) {
        ("metadata.annotations", Some((_, key))) => {
            let key = key.to_lowercase();
            invalid_all(errors, path, &key, qualified_name(&key));
        }
        ("metadata.labels", Some((_, key))) => invalid_all(errors, path, key, qualified_name(key)),
        (name, Some(_)) => errors.push(field::invalid(path, name, "does not support subscript")),
        (name, None) if !FIELDS.contains(&name) => errors.push(field::not_supported(&path_of_field, name, &FIELDS)),
        _ => (),
    }
}

/// `limits.cpu` of a container. Upstream: `validateContainerResourceFieldSelector`.
fn validate_resource(errors: &mut ErrorList, reference: &Value, path: &Path) {
    let resource = object::str_at(reference, "/resource").unwrap_or_default();
    let huge = ["limits.hugepages-", "requests.hugepages-"].iter().any(|start| resource.starts_with(start));
    if object::str_at(reference, "/containerName").is_none() {
        errors.push(field::required(&path.child("containerName"), ""));
    } else if resource.is_empty() {
        errors.push(field::required(&path.child("resource"), ""));
    } else if !RESOURCES.contains(&resource) && !huge {
        errors.push(field::not_supported(&path.child("resource"), resource, &RESOURCES));
    }
    let divisor = object::str_at(reference, "/divisor").and_then(|text| Quantity::parse(text).ok());
    let Some(divisor) = divisor.filter(|divisor| !divisor.is_zero()).map(|divisor| divisor.to_string()) else { return };
    let bytes = BYTE_DIVISORS.contains(&divisor.as_str());
    let (good, allowed, what) = match resource.split_once('.').map_or("", |(_, name)| name) {
        "cpu" => (["1m", "1"].contains(&divisor.as_str()), "1m and 1".to_owned(), "cpu"),
        "memory" => (bytes, BYTE_DIVISORS.join(", "), "memory"),
        "ephemeral-storage" => (bytes, BYTE_DIVISORS.join(", "), "local ephemeral storage"),
        _ if huge => (bytes, BYTE_DIVISORS.join(", "), "hugepages"),
        _ => return,
    };
    if !good {
        let why = format!("only divisor's values {allowed} are supported with the {what} resource");
        errors.push(field::invalid(&path.child("divisor"), resource, why));
    }
}

/// Several sources in one volume: no two of them write the same file. Upstream: `validateProjectionSources`.
pub(super) fn validate_projected(errors: &mut ErrorList, projected: &Value, path: &Path) {
    let mut taken = BTreeSet::new();
    for (index, source) in object::list_at(projected, "/sources").iter().enumerate() {
        let own = path.child("sources").index(index);
        let mut count = 0;
        for kind in
            ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"]
        {
            let Some(part) = source.get(kind).filter(|part| part.is_object()) else { continue };
            count += 1;
            validate_part(errors, kind, part, path, &own.child(kind));
            for (given, shown) in files_of(kind, part) {
                if !taken.insert(given) {
                    errors.push(field::invalid(path, shown, "conflicting duplicate paths"));
                }
            }
        }
        if count > 1 {
            errors.push(field::forbidden(&own, "may not specify more than 1 volume type"));
        }
    }
}

/// The files a part writes, each with what upstream shows when another writes it too.
fn files_of<'a>(kind: &str, part: &'a Value) -> Vec<(&'a str, &'a str)> {
    let items = object::list_at(part, "/items").iter().filter_map(|item| object::str_at(item, "/path"));
    let name = object::str_at(part, "/name").unwrap_or_default();
    match kind {
        "secret" | "configMap" => items.map(|given| (given, name)).collect(),
        "downwardAPI" => items.map(|given| (given, given)).collect(),
        "clusterTrustBundle" => object::str_at(part, "/path").map(|given| (given, given)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// `path` is the volume's.
fn validate_part(errors: &mut ErrorList, kind: &str, part: &Value, path: &Path, own: &Path) {
    match kind {
        "secret" | "configMap" => {
            require(errors, part, "name", own);
            validate_keys(errors, part, own);
        }
        "downwardAPI" => validate_downward(errors, part, own),
        "serviceAccountToken" => {
            let seconds = object::i64_at(part, "/expirationSeconds").unwrap_or(0);
            let path_of_seconds = own.child("expirationSeconds");
            if seconds < TOKEN_SECONDS.0 {
                let why = "may not specify a duration less than 10 minutes";
                errors.push(field::invalid(&path_of_seconds, seconds, why));
            }
            if seconds > TOKEN_SECONDS.1 {
                let why = "may not specify a duration larger than 2^32 seconds";
                errors.push(field::invalid(&path_of_seconds, seconds, why));
            }
            require(errors, part, "path", path);
            let given = object::str_at(part, "/path").unwrap_or_default();
            validate_not_reserved(errors, given, &path.child("path"));
        }
        "clusterTrustBundle" => validate_trust_bundle(errors, part, own),
        _ => (),
    }
}

fn validate_trust_bundle(errors: &mut ErrorList, part: &Value, path: &Path) {
    let given = |name: &str| part.get(name).filter(|value| !value.is_null());
    match (given("name"), given("signerName")) {
        (Some(_), Some(_)) => {
            errors.push(field::invalid(path, part.clone(), "only one of name and signerName may be used"));
        }
        (Some(name), None) => {
            if name == "" {
                errors.push(field::required(&path.child("name"), "must be a valid object name"));
            }
            if let Some(selector) = given("labelSelector") {
                let why = "labelSelector must be unset if name is specified";
                errors.push(field::invalid(&path.child("labelSelector"), selector.clone(), why));
            }
        }
        (None, Some(signer)) if signer == "" => {
            errors.push(field::required(&path.child("signerName"), "must be a valid signer name"));
        }
        (None, Some(_)) => (),
        (None, None) => errors.push(field::required(path, "either name or signerName must be specified")),
    }
    require(errors, part, "path", path);
    validate_not_reserved(errors, object::str_at(part, "/path").unwrap_or_default(), &path.child("path"));
}

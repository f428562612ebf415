//! Where the data of a volume comes from, for pods and for persistent volumes. Upstream: the functions `validate*VolumeSource` and
//! `validate*PersistentVolumeSource`.
//!
//! Most sources only have members that must be there; these are rows of [`required`]. The few with more to say have a function.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{dns1123_label, dns1123_subdomain};
use serde_json::Value;

use super::invalid_all;

mod block;
mod paths;
mod remote;

pub(crate) use paths::{validate_descending, validate_no_backsteps, validate_not_reserved};

/// Whose source it is: volumes of the cluster name secrets with their namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Pod,
    PersistentVolume,
}

/// Why a file mode is refused.
pub(crate) const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// Finds the one source among `kinds`, which is in upstream's order: the first counts, others are forbidden, none is refused.
pub(crate) fn single<'a>(
    errors: &mut ErrorList,
    volume: &'a Value,
    kinds: &[&'static str],
    path: &Path,
) -> Option<(&'static str, &'a Value)> {
    let given = kinds.iter().filter_map(|kind| Some((*kind, volume.get(*kind).filter(|source| source.is_object())?)));
    let given: Vec<_> = given.collect();
    if given.is_empty() {
        errors.push(field::required(path, "must specify a volume type"));
    }
    for (extra, _) in given.iter().skip(1) {
        errors.push(field::forbidden(&path.child(extra), "may not specify more than 1 volume type"));
    }
    given.first().copied()
}

/// A source that pods and persistent volumes share. `volume` is the name of the volume, `path` that of the volume itself.
pub(crate) fn validate(errors: &mut ErrorList, kind: &str, source: &Value, owner: Owner, volume: &str, path: &Path) {
    let own = path.child(shown_as(kind));
    for member in required(kind) {
        if object::str_at(source, &format!("/{member}")).is_none() {
            errors.push(field::required(&own.child(member), ""));
        }
    }
    match kind {
        "hostPath" => paths::validate_host_path(errors, source, &own),
        "local" => {
            validate_no_backsteps(errors, object::str_at(source, "/path").unwrap_or_default(), &own.child("path"));
        }
        "nfs" => paths::validate_nfs(errors, source, &own),
        "iscsi" => block::validate_iscsi(errors, source, owner, volume, path),
        "fc" => block::validate_fibre_channel(errors, source, &own),
        "gcePersistentDisk" | "awsElasticBlockStore" => block::validate_partition(errors, source, &own),
        "azureDisk" => block::validate_azure_disk(errors, source, &own),
        "rbd" | "cephfs" => remote::validate_monitors(errors, source, kind, &own),
        "quobyte" => remote::validate_quobyte(errors, source, &own),
        "glusterfs" => remote::validate_glusterfs(errors, source, owner, &own),
        "flocker" => remote::validate_flocker(errors, source, &own),
        "flexVolume" => remote::validate_flex(errors, source, &own),
        "azureFile" => remote::validate_azure_file(errors, source, owner, &own),
        "cinder" => validate_secret(errors, source, owner, &own),
        "storageos" => {
            for member in ["volumeName", "volumeNamespace"] {
                let name = object::str_at(source, &format!("/{member}"));
                name.into_iter().for_each(|name| invalid_all(errors, &own.child(member), name, dns1123_label(name)));
            }
            validate_secret(errors, source, owner, &own);
        }
        "csi" => validate_csi(errors, source, owner, &own),
        _ => (),
    }
}

/// Upstream calls one of them otherwise in its messages.
fn shown_as(kind: &str) -> &str {
    if kind == "gcePersistentDisk" { "persistentDisk" } else { kind }
}

/// Texts that have to be there.
fn required(kind: &str) -> &'static [&'static str] {
    match kind {
        "hostPath" | "local" => &["path"],
        "gcePersistentDisk" => &["pdName"],
        "awsElasticBlockStore" | "cinder" | "portworxVolume" => &["volumeID"],
        "nfs" => &["server", "path"],
        "glusterfs" => &["endpoints", "path"],
        "flexVolume" => &["driver"],
        "azureFile" => &["secretName", "shareName"],
        "azureDisk" => &["diskName", "diskURI"],
        "vsphereVolume" => &["volumePath"],
        "photonPersistentDisk" => &["pdID"],
        "scaleIO" => &["gateway", "system", "volumeName"],
        "storageos" => &["volumeName"],
        _ => &[],
    }
}

/// `secretRef`: a name, and with persistent volumes a namespace.
fn validate_secret(errors: &mut ErrorList, source: &Value, owner: Owner, path: &Path) {
    let Some(secret) = source.get("secretRef").filter(|secret| secret.is_object()) else { return };
    let members: &[&str] = if owner == Owner::Pod { &["name"] } else { &["name", "namespace"] };
    for member in members {
        if object::str_at(secret, &format!("/{member}")).is_none() {
            errors.push(field::required(&path.child("secretRef").child(member), ""));
        }
    }
}

/// The name of a CSI driver, in whatever case. Upstream: `ValidateCSIDriverName`.
pub(crate) fn validate_driver_name(errors: &mut ErrorList, name: &str, path: &Path) {
    if name.is_empty() {
        errors.push(field::required(path, ""));
    }
    if name.len() > 63 {
        errors.push(field::too_long(path, 63));
    }
    invalid_all(errors, path, name, dns1123_subdomain(&name.to_lowercase()));
}

fn validate_csi(errors: &mut ErrorList, source: &Value, owner: Owner, path: &Path) {
    let driver = object::str_at(source, "/driver").unwrap_or_default();
    validate_driver_name(errors, driver, &path.child("driver"));
    if owner == Owner::Pod {
        let path = path.child("nodePublishSecretRef").child("name");
        let Some(secret) = source.get("nodePublishSecretRef").filter(|secret| secret.is_object()) else { return };
        match object::str_at(secret, "/name") {
            None => errors.push(field::required(&path, "")),
            Some(name) => invalid_all(errors, &path, name, dns1123_subdomain(name)),
        }
        return;
    }
    if object::str_at(source, "/volumeHandle").is_none() {
        errors.push(field::required(&path.child("volumeHandle"), ""));
    }
    let secrets =
        ["controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"];
    for name in secrets {
        if let Some(secret) = source.get(name).filter(|secret| secret.is_object()) {
            validate_secret_reference(errors, secret, &path.child(name));
        }
    }
}

/// Upstream: `validatePVSecretReference`.
fn validate_secret_reference(errors: &mut ErrorList, secret: &Value, path: &Path) {
    for (member, rule) in [("name", dns1123_subdomain as fn(&str) -> Vec<String>), ("namespace", dns1123_label)] {
        let path = path.child(member);
        match object::str_at(secret, &format!("/{member}")) {
            None => errors.push(field::required(&path, "")),
            Some(name) => invalid_all(errors, &path, name, rule(name)),
        }
    }
}

//! Volumes of pods. Upstream: `ValidateVolumes`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::validation::{dns1123_label, dns1123_subdomain};
use sampan_meta::{Quantity, object};
use serde_json::Value;

use super::volume_source::{self, FILE_MODE, Owner, validate_descending};
use super::{invalid_all, one_of, persistent_volume_claim};

mod files;

/// In upstream's order: of several only the first counts.
const SOURCES: [&str; 30] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

/// Checks the volumes of a pod spec and answers their names.
pub(crate) fn validate_all<'a>(errors: &mut ErrorList, spec: &'a Value, path: &Path) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (index, volume) in object::list_at(spec, "/volumes").iter().enumerate() {
        let path = path.index(index);
        let name = object::str_at(volume, "/name");
        validate_source(errors, volume, name.unwrap_or_default(), &path);
        match name {
            None => errors.push(field::required(&path.child("name"), "")),
            Some(name) => {
                invalid_all(errors, &path.child("name"), name, dns1123_label(name));
                if !names.insert(name) {
                    errors.push(field::duplicate(&path.child("name"), name));
                }
            }
        }
    }
    names
}

/// Claims are made for a pod's ephemeral volumes, named after the pod: the names have to be good, and nobody else may use them.
pub(crate) fn validate_claim_names(errors: &mut ErrorList, pod: &Value) {
    let (pod_name, volumes) = (object::name(pod), object::list_at(pod, "/spec/volumes"));
    if pod_name.is_empty() {
        return;
    }
    let claim_of = |volume: &Value| {
        let name = object::str_at(volume, "/name").filter(|_| volume.get("ephemeral").is_some_and(Value::is_object));
        name.map(|name| (name.to_owned(), format!("{pod_name}-{name}")))
    };
    let made: Vec<String> = volumes.iter().filter_map(claim_of).map(|(_, claim)| claim).collect();
    for (index, volume) in volumes.iter().enumerate() {
        let path = Path::new("spec").child("volumes").index(index);
        if let Some((name, claim)) = claim_of(volume) {
            for why in dns1123_subdomain(&claim) {
                errors.push(field::invalid(&path.child("name"), name.as_str(), format!("PVC name {claim:?}: {why}")));
            }
        }
        let used = object::str_at(volume, "/persistentVolumeClaim/claimName");
        if let Some(used) = used.filter(|used| made.iter().any(|claim| claim == used)) {
            let why = "must not reference a PVC that gets created for an ephemeral volume";
            errors.push(field::invalid(&path.child("persistentVolumeClaim").child("claimName"), used, why));
        }
    }
}

fn validate_source(errors: &mut ErrorList, volume: &Value, name: &str, path: &Path) {
    let Some((kind, source)) = volume_source::single(errors, volume, &SOURCES, path) else { return };
    let own = path.child(kind);
    match kind {
        "emptyDir" => {
            let limit = object::str_at(source, "/sizeLimit").and_then(|text| Quantity::parse(text).ok());
            if limit.is_some_and(|limit| limit.is_negative()) {
                let why = "SizeLimit field must be a valid resource quantity";
                errors.push(field::forbidden(&own.child("sizeLimit"), why));
            }
        }
        "gitRepo" => {
            require(errors, source, "repository", &own);
            let directory = object::str_at(source, "/directory").unwrap_or_default();
            validate_descending(errors, directory, &own.child("directory"));
        }
        "secret" | "configMap" => {
            require(errors, source, if kind == "secret" { "secretName" } else { "name" }, &own);
            validate_mode(errors, source, "defaultMode", &own);
            files::validate_keys(errors, source, &own);
        }
        "downwardAPI" => {
            validate_mode(errors, source, "defaultMode", &own);
            files::validate_downward(errors, source, &own);
        }
        "projected" => {
            validate_mode(errors, source, "defaultMode", &own);
            files::validate_projected(errors, source, &own);
        }
        "persistentVolumeClaim" => require(errors, source, "claimName", &own),
        "ephemeral" => match source.get("volumeClaimTemplate").filter(|template| template.is_object()) {
            None => errors.push(field::required(&own.child("volumeClaimTemplate"), "")),
            Some(template) => {
                persistent_volume_claim::validate_template(errors, template, &own.child("volumeClaimTemplate"));
            }
        },
        "image" => {
            require(errors, source, "reference", &own);
            let policies = ["Always", "IfNotPresent", "Never"];
            one_of(errors, source, "/pullPolicy", &own.child("pullPolicy"), &policies);
        }
        kind => volume_source::validate(errors, kind, source, Owner::Pod, name, path),
    }
}

fn require(errors: &mut ErrorList, source: &Value, member: &str, path: &Path) {
    if object::str_at(source, &format!("/{member}")).is_none() {
        errors.push(field::required(&path.child(member), ""));
    }
}

fn validate_mode(errors: &mut ErrorList, source: &Value, member: &str, path: &Path) {
    let mode = object::i64_at(source, &format!("/{member}"));
    if let Some(mode) = mode.filter(|mode| !(0..=0o777).contains(mode)) {
        errors.push(field::invalid(&path.child(member), mode, FILE_MODE));
    }
}

//! Volumes on the node's disk, and which of them a container sees where.

mod atomic;
mod claim;
mod host_path;
mod mounts;
mod payload;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Pod, Volume};

use crate::directories::Directories;
use crate::environment::Surroundings;

pub(crate) use claim::{Claims, is_own, look_up};
pub(crate) use mounts::mounts;
pub(crate) use payload::{TokenKey, Tokens, token_requests};

/// Why a volume cannot be prepared: event `FailedMount`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("MountVolume.SetUp failed for volume \"{volume}\" : {message}")]
pub(crate) struct MountError {
    pub(crate) volume: String,
    pub(crate) message: String,
}

/// Prepares all volumes of a pod, or brings them up to date; content that is right already is not touched. Blocking.
pub(crate) fn prepare(
    around: &Surroundings<'_>,
    tokens: &Tokens,
    claims: &Claims,
    directories: &Directories,
    now: Timestamp,
) -> Result<(), MountError> {
    let uid = around.pod.metadata.uid.as_deref().unwrap_or_default();
    for volume in around.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        let path = path(volume, uid, directories);
        let prepared = match claims.get(&volume.name) {
            Some(source) => claim::prepare(&path, source),
            None => prepare_one(volume, around, tokens, &path, now),
        };
        prepared.map_err(|message| MountError { volume: volume.name.clone(), message })?;
    }
    Ok(())
}

/// Where a volume lies: a hostPath where it says, everything else below the pod's own directory.
fn path(volume: &Volume, uid: &str, directories: &Directories) -> PathBuf {
    match &volume.host_path {
        Some(host_path) => PathBuf::from(&host_path.path),
        None => directories.volume(uid, kind(volume), &volume.name),
    }
}

fn kind(volume: &Volume) -> &'static str {
    match volume {
        Volume { config_map: Some(_), .. } => "config-map",
        Volume { secret: Some(_), .. } => "secret",
        Volume { downward_api: Some(_), .. } => "downward-api",
        Volume { projected: Some(_), .. } => "projected",
        Volume { persistent_volume_claim: Some(_), .. } | Volume { ephemeral: Some(_), .. } => "claim",
        _ => "empty-dir",
    }
}

fn prepare_one(
    volume: &Volume,
    around: &Surroundings<'_>,
    tokens: &Tokens,
    path: &Path,
    now: Timestamp,
) -> Result<(), String> {
    if let Some(host_path) = &volume.host_path {
        return host_path::check(host_path);
    }
    if let Some(files) = payload::payload(volume, around, tokens)? {
        return atomic::write(path, &files, now)
            .map_err(|error| format!("failed to write {}: {error}", path.display()));
    }
    if volume.empty_dir.is_some() {
        return empty_dir(path).map_err(|error| format!("failed to make {}: {error}", path.display()));
    }
    Err("this node does not offer this type of volume; it offers emptyDir, configMap, secret, downwardAPI, projected, hostPath, persistentVolumeClaim and ephemeral".to_owned())
}

/// Open to whatever user the containers run as, as the kubelet's.
fn empty_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777))
}

/// Removes everything of a pod but its logs. What is not there is fine.
pub(crate) fn remove(uid: &str, directories: &Directories) -> io::Result<()> {
    match fs::remove_dir_all(directories.pod(uid)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// ConfigMaps and Secrets a pod refers to: plural of the kind, and name.
pub(crate) fn references(pod: &Pod) -> std::collections::BTreeSet<(&'static str, String)> {
    payload::references(pod)
}

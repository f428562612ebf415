//! What a container sees where.

use std::fs;
use std::path::{Component, Path, PathBuf};

use sampan_api::k8s::api::core::v1::{Container, Pod, Volume, VolumeMount};
use sampan_runtime::Mount;

use crate::directories::Directories;
use crate::environment::expand;

/// The container's mounts, sub-paths resolved. Errors name the mount. Blocking.
pub(crate) fn mounts(
    pod: &Pod,
    container: &Container,
    environment: &[(String, String)],
    directories: &Directories,
) -> Result<Vec<Mount>, String> {
    container.volume_mounts.iter().flatten().map(|mount| one(pod, mount, environment, directories)).collect()
}

fn one(
    pod: &Pod,
    mount: &VolumeMount,
    environment: &[(String, String)],
    directories: &Directories,
) -> Result<Mount, String> {
    let mut volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let volume = volumes.find(|volume| volume.name == mount.name);
    let volume = volume.ok_or_else(|| format!("there is no volume {} for mount {}", mount.name, mount.mount_path))?;
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let source = resolved(volume, super::path(volume, uid, directories))?;
    let sub_path = sub_path(mount, environment)?;
    let source = if sub_path.is_empty() {
        source
    } else {
        below(&source, &sub_path)
            .map_err(|why| format!("failed to prepare subPath for volumeMount \"{}\": {why}", mount.name))?
    };
    let target = PathBuf::from(&mount.mount_path);
    let target = if target.is_absolute() { target } else { Path::new("/").join(target) };
    Ok(Mount {
        source,
        target,
        read_only: mount.read_only.unwrap_or(false) || is_fixed(volume) || is_read_only(volume),
    })
}

/// Content the agent keeps: writing there would only be lost.
fn is_fixed(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.downward_api.is_some()
        || volume.projected.is_some()
}

/// A claim's volume lies behind a link; a runtime is told where that is.
fn resolved(volume: &Volume, path: PathBuf) -> Result<PathBuf, String> {
    let is_claim = volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some();
    match is_claim.then(|| fs::canonicalize(&path)) {
        None => Ok(path),
        Some(found) => found.map_err(|error| format!("volume {} is not there: {error}", volume.name)),
    }
}

/// The pod wants nobody in it to write to the claim.
fn is_read_only(volume: &Volume) -> bool {
    volume.persistent_volume_claim.as_ref().is_some_and(|claim| claim.read_only == Some(true))
}

fn sub_path(mount: &VolumeMount, environment: &[(String, String)]) -> Result<String, String> {
    if let Some(plain) = mount.sub_path.as_ref().filter(|plain| !plain.is_empty()) {
        return Ok(plain.clone());
    }
    let Some(expression) = mount.sub_path_expr.as_ref().filter(|expression| !expression.is_empty()) else {
        return Ok(String::new());
    };
    let known = |name: &str| environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let expanded = expand(expression, known);
    if expanded.contains("$(") {
        return Err(format!("subPathExpr {expression} names a variable that is not set"));
    }
    Ok(expanded)
}

/// A path inside a volume, made as a directory if it is not there. Links are followed, but never out of the volume.
fn below(volume: &Path, sub_path: &str) -> Result<PathBuf, String> {
    let relative = Path::new(sub_path);
    if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(format!("subPath {sub_path:?} must be relative and not contain '..'"));
    }
    let failed = |error: std::io::Error| format!("{}: {error}", volume.join(relative).display());
    let root = fs::canonicalize(volume).map_err(failed)?;
    let mut path = root.clone();
    for part in relative.components() {
        let next = path.join(part);
        if fs::symlink_metadata(&next).is_err() {
            fs::create_dir(&next).map_err(failed)?;
        }
        path = fs::canonicalize(&next).map_err(failed)?;
        if !path.starts_with(&root) {
            return Err(format!("subPath {sub_path:?} leads out of its volume"));
        }
    }
    Ok(path)
}

//! persistentVolumeClaim and ephemeral volumes: a link from the pod's directory to where the claim's volume lies.
//!
//! What can be mounted are volumes of the machine itself: `hostPath`, `local`, and the directories this node makes for the class
//! `local-path`. As upstream's `pkg/kubelet/volumemanager/populator` looks them up.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sampan_api::k8s::api::core::v1::{HostPathVolumeSource, PersistentVolume, PersistentVolumeClaim, Pod, Volume};
use sampan_api::volume::{claim_mode, claim_name, claim_phase, is_given_to, volume_name};
use sampan_api::{local_path, volume};
use sampan_client::{Api, Client, error};

use super::host_path;
use crate::directories::Directories;
use crate::pod::facts;

/// Where the volumes of a pod's claims lie, by the name the pod has for each.
pub(crate) type Claims = BTreeMap<String, Source>;

/// Where a claim's volume lies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// Something of the machine, checked as a hostPath of a pod is.
    HostPath(HostPathVolumeSource),
    /// A directory somebody made.
    Local(PathBuf),
    /// A directory of ours, made when it is first used.
    Own(PathBuf),
    /// Where it lay before: the server cannot be asked, and a claim does not move.
    Kept,
}

/// Looks up the claims of a pod.
///
/// # Errors
/// The kubelet's words, when a claim or its volume is not there, not bound, or not for this pod.
pub(crate) async fn look_up(client: &Client, pod: &Pod, directories: &Directories) -> Result<Claims, String> {
    let mut claims = Claims::new();
    for volume in facts::spec(pod).iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        let Some(name) = claim_name(pod, volume) else { continue };
        let source = one(client, pod, volume, &name, directories).await.map_err(|why| {
            let volume = &volume.name;
            let why = format!("error processing PVC {}/{name}: {why}", facts::namespace(pod));
            format!("Unable to attach or mount volumes: unmounted volumes=[{volume}], unattached volumes=[], failed to process volumes=[{volume}]: {why}")
        })?;
        claims.insert(volume.name.clone(), source);
    }
    Ok(claims)
}

async fn one(
    client: &Client,
    pod: &Pod,
    volume: &Volume,
    name: &str,
    directories: &Directories,
) -> Result<Source, String> {
    let is_linked = || link(facts::uid(pod), volume, directories).is_symlink();
    let api = Api::<PersistentVolumeClaim>::namespaced(client.clone(), facts::namespace(pod));
    let claim = match api.get(name).await {
        Ok(claim) => claim,
        Err(failed) if error::is_retryable(&failed) && is_linked() => return Ok(Source::Kept),
        Err(failed) => return Err(format!("failed to fetch PVC from API server: {}", error::message(&failed))),
    };
    // A pod that has its volume keeps it while the claim is on its way out.
    let bound = check(pod, volume, &claim, is_linked())?;
    let found = Api::<PersistentVolume>::all(client.clone()).get(bound).await;
    match found {
        Ok(found) => source(&found, &claim, directories),
        Err(failed) if error::is_retryable(&failed) && is_linked() => Ok(Source::Kept),
        Err(failed) => Err(format!("failed to fetch PV {bound:?} from API server: {}", error::message(&failed))),
    }
}

/// The name of the volume a claim is bound to, if the pod may use it.
fn check<'a>(pod: &Pod, volume: &Volume, claim: &'a PersistentVolumeClaim, in_use: bool) -> Result<&'a str, String> {
    let mut owners = claim.metadata.owner_references.iter().flatten();
    let owned = owners.any(|owner| Some(&owner.uid) == pod.metadata.uid.as_ref() && owner.controller == Some(true));
    if volume.ephemeral.is_some() && !owned {
        let (namespace, name) = (facts::namespace(pod), claim.metadata.name.as_deref().unwrap_or_default());
        let pod = facts::name(pod);
        return Err(format!("PVC {namespace}/{name} was not created for pod {namespace}/{pod} (pod is not owner)"));
    }
    if claim.metadata.deletion_timestamp.is_some() && !in_use {
        return Err("PVC is being deleted".to_owned());
    }
    if claim_phase(claim) != "Bound" {
        return Err("PVC is not bound".to_owned());
    }
    volume_name(claim).ok_or_else(|| "PVC has empty pvc.Spec.VolumeName".to_owned())
}

/// Where the volume lies.
fn source(
    volume: &PersistentVolume,
    claim: &PersistentVolumeClaim,
    directories: &Directories,
) -> Result<Source, String> {
    let name = volume.metadata.name.as_deref().unwrap_or_default();
    if !is_given_to(volume, claim) {
        return Err(format!("PV {name} is bound to another claim"));
    }
    if claim_mode(claim) != "Filesystem" {
        return Err(format!("PV {name} has volumeMode Block, which this node does not offer"));
    }
    let spec = volume.spec.as_ref();
    if let Some(host_path) = spec.and_then(|spec| spec.host_path.clone()) {
        return Ok(Source::HostPath(host_path));
    }
    let Some(local) = spec.and_then(|spec| spec.local.as_ref()) else {
        return Err(format!("PV {name} is of a type this node does not offer; it offers local and hostPath"));
    };
    let path = PathBuf::from(&local.path);
    Ok(if is_own(volume, directories) { Source::Own(path) } else { Source::Local(path) })
}

/// Whether a volume is one of the directories this node makes, and removes: it says so, and lies where only they lie.
pub(crate) fn is_own(persistent: &PersistentVolume, directories: &Directories) -> bool {
    let name = persistent.metadata.name.as_deref().unwrap_or_default();
    let path = persistent.spec.as_ref().and_then(|spec| Some(spec.local.as_ref()?.path.as_str()));
    let made_here = volume::annotation(&persistent.metadata, volume::PROVISIONED_BY) == Some(local_path::PROVISIONER);
    let is_plain = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    made_here && is_plain && path.map(Path::new) == Some(directories.local_volumes().join(name).as_path())
}

/// The link in the pod's directory.
fn link(uid: &str, volume: &Volume, directories: &Directories) -> PathBuf {
    directories.volume(uid, super::kind(volume), &volume.name)
}

/// Makes the link, and the directory where that is ours to make. Blocking.
pub(super) fn prepare(link: &Path, source: &Source) -> Result<(), String> {
    let target = match source {
        Source::Kept => return Ok(()),
        Source::HostPath(host_path) => {
            host_path::check(host_path)?;
            Path::new(&host_path.path)
        }
        Source::Local(path) if !path.exists() => {
            return Err(format!("path {:?} does not exist", path.display().to_string()));
        }
        Source::Local(path) => path,
        Source::Own(path) => {
            own_directory(path).map_err(|error| format!("failed to make {}: {error}", path.display()))?;
            path
        }
    };
    point(link, target).map_err(|error| format!("failed to link {}: {error}", link.display()))
}

/// Open to whatever user the containers run as; whoever has it may close it, and it stays closed.
fn own_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777))
}

fn point(link: &Path, target: &Path) -> io::Result<()> {
    if fs::read_link(link).is_ok_and(|known| known == target) {
        return Ok(());
    }
    if let Some(parent) = link.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, link)
}

#[cfg(test)]
mod tests;

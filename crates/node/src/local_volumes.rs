//! Removes the directories of `local-path` volumes that are deleted, and then lets their objects go.
//!
//! A directory goes only when the object of its volume says so: what is merely absent, in a list that may be of yesterday, is kept.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::PersistentVolume;
use sampan_api::local_path::{FINALIZER, NODE_LABEL};
use sampan_api::volume::volume_phase;
use sampan_client::{Api, Backoff, BackoffPolicy, Error, Informer, Patch, PatchParams, ResourceExt, error};
use sampan_meta::NamespacedName;
use serde_json::json;
use tokio::task::JoinSet;

use crate::context::Context;
use crate::directories::Directories;
use crate::volumes::is_own;

/// What to do about a volume.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Nothing,
    /// Remove this, if anything, and let the object go.
    LetGo(Option<PathBuf>),
}

fn plan(volume: &PersistentVolume, directories: &Directories) -> Plan {
    let going = volume.metadata.deletion_timestamp.is_some();
    let held = volume.metadata.finalizers.iter().flatten().any(|held| held == FINALIZER);
    // Whatever a person deletes, the data is its claim's while there is one.
    if !going || !held || volume_phase(volume) == "Bound" {
        return Plan::Nothing;
    }
    let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    let goes = policy == Some("Delete") && is_own(volume, directories);
    Plan::LetGo(goes.then(|| directories.local_volumes().join(volume.name_any())))
}

/// Follows the volumes of this node, for ever.
pub(crate) async fn run(context: Arc<Context>) {
    let api = Api::<PersistentVolume>::all(context.client.clone());
    let own = Informer::builder(api).labels(&format!("{NODE_LABEL}={}", context.node_name));
    let own = own.start(context.entropy.clone());
    let mut changes = own.subscribe();
    // A directory that does not go, for a mount in it, must not keep others.
    let mut removals = JoinSet::new();
    while let Some(change) = changes.next().await {
        while removals.try_join_next().is_some() {}
        let Some(volume) = change.new else { continue };
        if let Plan::LetGo(directory) = plan(&volume, &context.directories) {
            removals.spawn(remove_patiently(context.clone(), own.clone(), volume, directory));
        }
    }
}

/// Tries until it is done, or the object is not the same any more: what it is now has a task of its own.
async fn remove_patiently(
    context: Arc<Context>,
    own: Informer<PersistentVolume>,
    volume: Arc<PersistentVolume>,
    directory: Option<PathBuf>,
) {
    let api = Api::<PersistentVolume>::all(context.client.clone());
    let name = NamespacedName { namespace: String::new(), name: volume.name_any() };
    let is_current =
        || own.get(&name).is_some_and(|now| now.metadata.resource_version == volume.metadata.resource_version);
    let mut backoff = Backoff::new(BackoffPolicy::WATCH, context.entropy.clone());
    while is_current() {
        let Err(why) = let_go(&api, &volume, directory.clone()).await else { return };
        tracing::warn!(volume = name.name, why, "failed to remove a volume; it is tried again");
        tokio::time::sleep(backoff.failed()).await;
    }
}

async fn let_go(
    api: &Api<PersistentVolume>,
    volume: &PersistentVolume,
    directory: Option<PathBuf>,
) -> Result<(), String> {
    if let Some(directory) = directory {
        let removed = crate::blocking::run(move || remove(&directory)).await;
        removed.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    }
    let finalizers = volume.metadata.finalizers.iter().flatten().filter(|held| *held != FINALIZER).collect::<Vec<_>>();
    // A list is replaced as a whole: not one that somebody else has changed meanwhile.
    let metadata = json!({ "resourceVersion": volume.metadata.resource_version, "finalizers": finalizers });
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    match api.patch(&volume.name_any(), &PatchParams::default(), &patch).await {
        Err(failed) if !is_over(&failed) => Err(error::message(&failed)),
        _ => Ok(()),
    }
}

/// It is gone, or has changed: then the change comes by itself.
fn is_over(failed: &Error) -> bool {
    error::is_not_found(failed) || error::is_conflict(failed)
}

fn remove(directory: &std::path::Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn volume(phase: &str, policy: &str, path: &str, going: bool) -> PersistentVolume {
        let deleted = going.then_some("2026-01-02T03:04:05Z");
        let value = json!({
            "metadata": { "name": "pvc-1", "deletionTimestamp": deleted, "finalizers": [FINALIZER],
                "annotations": { "pv.kubernetes.io/provisioned-by": "sampan.dev/local-path" } },
            "spec": { "persistentVolumeReclaimPolicy": policy, "local": { "path": path } }, "status": { "phase": phase },
        });
        serde_json::from_value(value).expect("a volume")
    }

    #[test]
    fn a_directory_goes_only_with_a_deleted_volume_that_nobody_has() {
        let directories = Directories::new(Path::new("/node"));
        let own = "/node/local-path/pvc-1";
        let check = |volume: &PersistentVolume| plan(volume, &directories);
        assert_eq!(check(&volume("Released", "Delete", own, true)), Plan::LetGo(Some(own.into())));
        assert_eq!(check(&volume("Released", "Delete", own, false)), Plan::Nothing);
        assert_eq!(check(&volume("Bound", "Delete", own, true)), Plan::Nothing);
        assert_eq!(check(&volume("Released", "Retain", own, true)), Plan::LetGo(None), "the data is to be kept");
        for path in ["/etc", "/node/local-path", "/node/local-path/../pods", "/node/local-path/pvc-2"] {
            assert_eq!(check(&volume("Released", "Delete", path, true)), Plan::LetGo(None), "{path}");
        }
        let mut free = volume("Released", "Delete", own, true);
        free.metadata.finalizers = None;
        assert_eq!(check(&free), Plan::Nothing);
    }
}

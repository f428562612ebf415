//! The hold that keeps an object in use from being deleted: what the protecting controllers have in common.

use sampan_client::Watched;

/// The object with the hold put on while nobody deletes it, or taken off once it is deleted and not `used`; `None`: it is as it should be.
/// Upstream: `pkg/controller/volume/{pvcprotection,pvprotection,vacprotection}`.
pub(crate) fn held<K: Watched>(object: &K, finalizer: &str, used: bool) -> Option<K> {
    let wanted = object.meta().deletion_timestamp.is_none();
    let is_held = object.meta().finalizers.iter().flatten().any(|held| held == finalizer);
    if is_held == wanted || (!wanted && used) {
        return None;
    }
    let mut changed = object.clone();
    let finalizers = changed.meta_mut().finalizers.get_or_insert_default();
    if wanted {
        finalizers.push(finalizer.to_owned())
    } else {
        finalizers.retain(|held| held != finalizer)
    }
    Some(changed)
}

//! Pods that use more disk than they may (`localStorageEviction`, pkg/kubelet/eviction/eviction_manager.go).

#[cfg(test)]
mod tests;

use sampan_api::k8s::api::core::v1::{Container, Pod, Volume};
use sampan_meta::Quantity;

use super::disk::Used;
use crate::pod::facts;

/// Whether the pod has any limit of disk; others need not be measured.
pub(super) fn is_limited(pod: &Pod) -> bool {
    volumes(pod).any(|volume| size_limit(volume).is_some())
        || facts::containers(pod).any(|container| limit(container).is_some())
}

/// What the pod uses too much of, in the kubelet's words.
pub(super) fn exceeded(pod: &Pod, used: &Used) -> Option<String> {
    let is_over = |used: u64, limit: &Quantity| i64::try_from(used).unwrap_or(i64::MAX) > limit.value();
    for volume in volumes(pod) {
        let Some(limit) = size_limit(volume) else { continue };
        let used = used.empty_dirs.get(&volume.name).copied().unwrap_or(0);
        if is_over(used, &limit) {
            return Some(format!("Usage of EmptyDir volume \"{}\" exceeds the limit \"{limit}\". ", volume.name));
        }
    }
    let limits: Vec<Quantity> = facts::containers(pod).filter_map(limit).collect();
    // A pod is limited as a whole where one of its containers is.
    let total = limits.iter().copied().sum::<Quantity>();
    if !limits.is_empty() && is_over(used.bytes, &total) {
        return Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {total}. "));
    }
    for container in facts::containers(pod) {
        let Some(limit) = limit(container) else { continue };
        let used = used.logs.get(&container.name).copied().unwrap_or(0);
        if is_over(used, &limit) {
            return Some(format!(
                "Container {} exceeded its local ephemeral storage limit \"{limit}\". ",
                container.name
            ));
        }
    }
    None
}

fn volumes(pod: &Pod) -> impl Iterator<Item = &Volume> {
    facts::spec(pod).into_iter().flat_map(|spec| spec.volumes.iter().flatten())
}

fn size_limit(volume: &Volume) -> Option<Quantity> {
    let limit = volume.empty_dir.as_ref()?.size_limit.as_ref()?;
    Quantity::parse(&limit.0).ok().filter(|limit| limit.value() > 0)
}

fn limit(container: &Container) -> Option<Quantity> {
    let limits = container.resources.as_ref()?.limits.as_ref()?;
    Quantity::parse(&limits.get("ephemeral-storage")?.0).ok().filter(|limit| limit.value() > 0)
}

//! A driver can attach so many volumes to a node and no more.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plugin, PreFilter, Verdict};
use crate::storage::Storage;
use crate::{Event, NodeState, PodRequest, Snapshot};

pub(super) struct NodeVolumeLimits;

/// Volumes by driver: their handles, or the names of claims that have none yet.
type Volumes = BTreeMap<String, BTreeSet<String>>;

impl Plugin for NodeVolumeLimits {
    fn name(&self) -> &'static str {
        "NodeVolumeLimits"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        let storage = &cluster.storage;
        let wanted = volumes(pod, storage);
        if wanted.is_empty() || storage.csi_nodes.is_empty() {
            return PreFilter::Skip;
        }
        PreFilter::Check(Box::new(move |candidate| match exceeds(&wanted, candidate.node, storage) {
            true => Verdict::refused("node(s) exceed max volume count"),
            false => Verdict::Fits,
        }))
    }

    fn helps(&self, _: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(_) | Event::Storage => true,
            Event::PodGone(gone) => !gone.claims.is_empty(),
            _ => false,
        }
    }
}

fn exceeds(wanted: &Volumes, node: &NodeState, storage: &Storage) -> bool {
    let Some(limits) = storage.csi_nodes.get(&node.name) else { return false };
    let limit = |driver: &str| {
        let said = limits.spec.drivers.iter().find(|one| one.name == driver)?;
        usize::try_from(said.allocatable.as_ref()?.count?).ok()
    };
    wanted.iter().filter_map(|(driver, volumes)| Some((driver, volumes, limit(driver)?))).any(
        |(driver, volumes, limit)| {
            let there = node.pods().filter(|pod| !pod.claims.is_empty()).map(|pod| self::volumes(pod, storage));
            let mut all: BTreeSet<String> = there.filter_map(|mut there| there.remove(driver)).flatten().collect();
            let before = all.len();
            all.extend(volumes.iter().cloned());
            all.len() > limit && all.len() > before
        },
    )
}

fn volumes(pod: &PodRequest, storage: &Storage) -> Volumes {
    let mut volumes = Volumes::new();
    for claim in &pod.claims {
        let Some(object) = storage.claim(pod, claim) else { continue };
        let volume = storage.volume_of(object);
        let attached = volume.and_then(|volume| volume.spec.as_ref()?.csi.as_ref());
        let (driver, handle) = match (attached, volume, storage.class_of(object)) {
            (Some(csi), ..) => (csi.driver.clone(), csi.volume_handle.clone()),
            (None, None, Some(class)) => (class.provisioner.clone(), format!("{}/{}", pod.name.namespace, claim.name)),
            _ => continue,
        };
        volumes.entry(driver).or_default().insert(handle);
    }
    volumes
}

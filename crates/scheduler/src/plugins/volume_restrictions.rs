//! A claim for one pod alone (`ReadWriteOncePod`) is had by one pod alone.

use super::{Plugin, PreFilter, Verdict};
use crate::storage::name_of;
use crate::{Event, PodRequest, Snapshot};

pub(super) struct VolumeRestrictions;

impl Plugin for VolumeRestrictions {
    fn name(&self) -> &'static str {
        "VolumeRestrictions"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        let storage = &cluster.storage;
        let for_one_pod = |claim: &&crate::pod::Claim| {
            let modes = storage.claim(pod, claim).and_then(|object| object.spec.as_ref()?.access_modes.clone());
            modes.is_some_and(|modes| modes.iter().any(|mode| mode == "ReadWriteOncePod"))
        };
        let alone: Vec<_> = pod.claims.iter().filter(for_one_pod).map(|claim| name_of(pod, claim)).collect();
        if alone.is_empty() {
            return PreFilter::Skip;
        }
        let users: i64 = alone.iter().map(|name| storage.users(name)).sum();
        if users == 0 && !cluster.has_nominated() {
            return PreFilter::Skip;
        }
        PreFilter::Check(Box::new(move |candidate| {
            let uses = |other: &PodRequest| {
                let used = other.claims.iter().filter(|claim| alone.contains(&name_of(other, claim)));
                i64::try_from(used.count()).unwrap_or(i64::MAX)
            };
            match users + candidate.change(uses) {
                ..=0 => Verdict::Fits,
                _ => Verdict::refused(
                    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",
                ),
            }
        }))
    }

    fn helps(&self, pod: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(_) => true,
            Event::PodGone(gone) => {
                gone.name.namespace == pod.name.namespace && gone.claims.iter().any(|claim| pod.claims.contains(claim))
            }
            Event::Claim(namespace, name) => {
                *namespace == pod.name.namespace && pod.claims.iter().any(|claim| claim.name == *name)
            }
            _ => false,
        }
    }
}

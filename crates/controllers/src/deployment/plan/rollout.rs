//! A Deployment and its ReplicaSets while a plan is made: changes are made to drafts and compared at the end.

use jiff::Timestamp;
use sampan_api::k8s::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus, ReplicaSet};

use super::Observed;
use super::bounds::{Bounds, bounds};
use super::revision;
use crate::time::or_min;

pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";

/// One ReplicaSet as it is and as it shall be.
pub(super) struct Draft {
    original: ReplicaSet,
    pub(super) set: ReplicaSet,
}

/// A change of size, for the event about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scaled {
    pub(crate) from: i32,
    pub(crate) to: i32,
}

pub(super) struct Rollout {
    pub(super) deployment: Deployment,
    /// The status the Deployment came with; `deployment.status` is the one being made.
    pub(super) old_status: DeploymentStatus,
    /// Oldest first.
    pub(super) drafts: Vec<Draft>,
    /// Which of them has the Deployment's template.
    pub(super) new: Option<usize>,
    pub(super) now: Timestamp,
}

impl Draft {
    pub(super) fn replicas(&self) -> i32 {
        replicas(&self.set)
    }

    pub(super) fn available(&self) -> i32 {
        self.set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
    }

    pub(super) fn is_active(&self) -> bool {
        self.replicas() > 0
    }

    pub(super) fn created(&self) -> Timestamp {
        or_min(self.set.metadata.creation_timestamp.as_ref())
    }
}

pub(super) fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

impl Rollout {
    pub(super) fn new(observed: &Observed<'_>) -> Self {
        let draft = |set: &std::sync::Arc<ReplicaSet>| Draft { original: (**set).clone(), set: (**set).clone() };
        let mut drafts: Vec<Draft> = observed.replica_sets.iter().map(draft).collect();
        drafts.sort_by(|a, b| (a.created(), &a.set.metadata.name).cmp(&(b.created(), &b.set.metadata.name)));
        let deployment = observed.deployment.clone();
        let old_status = deployment.status.clone().unwrap_or_default();
        // Of several with the same template the oldest is the one, for ever.
        let new = drafts.iter().position(|draft| revision::has_template_of(&draft.set, &deployment));
        Self { deployment, old_status, drafts, new, now: observed.now }
    }

    pub(super) fn spec(&self) -> &DeploymentSpec {
        self.deployment.spec.as_ref().expect("the driver plans for deployments with a spec alone")
    }

    pub(super) fn status(&mut self) -> &mut DeploymentStatus {
        self.deployment.status.get_or_insert_default()
    }

    pub(super) fn wanted(&self) -> i32 {
        self.spec().replicas.unwrap_or(1)
    }

    pub(super) fn bounds(&self) -> Bounds {
        bounds(self.spec())
    }

    pub(super) fn is_recreate(&self) -> bool {
        self.spec().strategy.as_ref().is_some_and(|strategy| strategy.type_.as_deref() == Some("Recreate"))
    }

    pub(super) fn name(&self) -> &str {
        self.deployment.metadata.name.as_deref().unwrap_or_default()
    }

    /// The indices of all but the new ReplicaSet, oldest first.
    pub(super) fn old(&self) -> Vec<usize> {
        (0..self.drafts.len()).filter(|index| Some(*index) != self.new).collect()
    }

    pub(super) fn active_old(&self) -> Vec<usize> {
        let mut old = self.old();
        old.retain(|index| self.drafts[*index].is_active());
        old
    }

    pub(super) fn new_draft(&self) -> Option<&Draft> {
        self.new.map(|index| &self.drafts[index])
    }

    pub(super) fn total(&self) -> i32 {
        self.drafts.iter().map(Draft::replicas).sum()
    }

    pub(super) fn total_available(&self) -> i32 {
        self.drafts.iter().map(Draft::available).sum()
    }

    /// Whether the Deployment's size was changed since its ReplicaSets were last sized.
    pub(super) fn is_scaling(&self) -> bool {
        let wanted = self.wanted();
        let differs = |draft: &Draft| annotated(&draft.set, DESIRED).is_some_and(|desired| desired != wanted);
        self.drafts.iter().filter(|draft| draft.is_active()).any(differs)
    }

    /// Gives a ReplicaSet its size, with the annotations by which the next change of size is noticed and shared out.
    pub(super) fn scale(&mut self, index: usize, replicas: i32) {
        let (desired, maximum) = (self.wanted(), self.wanted() + self.bounds().surge);
        let set = &mut self.drafts[index].set;
        annotate_size(set, desired, maximum);
        if let Some(spec) = &mut set.spec {
            spec.replicas = Some(replicas);
        }
    }

    /// What differs from how it was.
    pub(super) fn updates(self) -> Vec<(ReplicaSet, Option<Scaled>)> {
        let changed = self.drafts.into_iter().filter(|draft| draft.set != draft.original);
        changed
            .map(|draft| {
                let (from, to) = (replicas(&draft.original), replicas(&draft.set));
                (draft.set, (from != to).then_some(Scaled { from, to }))
            })
            .collect()
    }
}

pub(super) fn annotate_size(set: &mut ReplicaSet, desired: i32, maximum: i32) {
    let annotations = set.metadata.annotations.get_or_insert_default();
    annotations.insert(DESIRED.to_owned(), desired.to_string());
    annotations.insert(MAXIMUM.to_owned(), maximum.to_string());
}

pub(super) fn annotated(set: &ReplicaSet, annotation: &str) -> Option<i32> {
    set.metadata.annotations.as_ref()?.get(annotation)?.parse().ok()
}

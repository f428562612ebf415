//! What a Deployment needs next. Pure.
//!
//! As upstream's `pkg/controller/deployment`, one step per reconcile: what a step writes brings the key back for the next one.

mod bounds;
mod proportional;
mod revision;
mod rollout;
mod status;
mod strategy;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet};

pub(super) use revision::same_template;
use rollout::Rollout;
pub(super) use rollout::Scaled;
pub(super) use status::refused;

/// What is known of a Deployment.
pub(super) struct Observed<'a> {
    pub(super) deployment: &'a Deployment,
    /// The ReplicaSets it owns.
    pub(super) replica_sets: &'a [Arc<ReplicaSet>],
    /// Whether pods of other ReplicaSets than the newest template's have not ended yet; asked for by Recreate alone.
    pub(super) pods_of: &'a dyn Fn(&ReplicaSet) -> bool,
    pub(super) now: Timestamp,
}

/// What to write, in this order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) create: Option<Box<ReplicaSet>>,
    pub(super) update: Vec<(ReplicaSet, Option<Scaled>)>,
    /// Names of ReplicaSets beyond the history limit.
    pub(super) delete: Vec<String>,
    /// The revision to put into the Deployment's annotation.
    pub(super) revision: Option<String>,
    pub(super) status: Option<DeploymentStatus>,
    /// When to look for a missed deadline.
    pub(super) requeue: Option<Duration>,
}

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let mut rollout = Rollout::new(observed);
    if observed.deployment.metadata.deletion_timestamp.is_some() {
        return finish(observed, rollout, Plan::default());
    }
    status::note_pause(&mut rollout);
    let mut plan = Plan::default();
    if rollout.spec().paused == Some(true) {
        revision::sync(&mut rollout, &mut plan, false);
        proportional::scale(&mut rollout);
        strategy::clean_up(&rollout, &mut plan);
    } else if rollout.is_scaling() {
        revision::sync(&mut rollout, &mut plan, false);
        proportional::scale(&mut rollout);
    } else if rollout.is_recreate() {
        strategy::recreate(&mut rollout, &mut plan, observed.pods_of);
    } else {
        strategy::rolling(&mut rollout, &mut plan);
    }
    finish(observed, rollout, plan)
}

fn finish(observed: &Observed<'_>, rollout: Rollout, mut plan: Plan) -> Plan {
    let new_status = status::new_status(&rollout, plan.create.is_some());
    plan.requeue = status::next_check(&rollout, &new_status);
    plan.status = (observed.deployment.status.as_ref() != Some(&new_status)).then_some(new_status);
    plan.update = rollout.updates();
    plan
}

/// The same Deployment after a name was found taken by a foreign ReplicaSet: the next hash differs.
pub(super) fn after_collision(deployment: &Deployment) -> DeploymentStatus {
    let mut status = deployment.status.clone().unwrap_or_default();
    status.collision_count = Some(status.collision_count.unwrap_or(0).wrapping_add(1));
    status
}

#[cfg(test)]
mod tests;

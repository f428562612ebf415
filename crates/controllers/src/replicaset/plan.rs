//! What a ReplicaSet needs next. Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use sampan_api::k8s::api::core::v1::{Pod, PodTemplateSpec};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use sampan_api::pod;
use sampan_client::Resource;

use super::ranking;
use crate::ownership::controller_reference;
use crate::time::until;

/// What is known of a ReplicaSet.
pub(super) struct Observed<'a> {
    pub(super) replica_set: &'a ReplicaSet,
    /// The pods it owns that have not ended; those being deleted included.
    pub(super) pods: &'a [Arc<Pod>],
    /// The active pods of all ReplicaSets with the same controller.
    pub(super) related: &'a [Arc<Pod>],
    pub(super) now: Timestamp,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) manage: Manage,
    /// When a ready pod becomes an available one.
    pub(super) requeue: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Manage {
    Nothing,
    Create(usize),
    Delete(Vec<Arc<Pod>>),
}

impl Observed<'_> {
    fn wanted(&self) -> usize {
        let replicas = self.replica_set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        usize::try_from(replicas).unwrap_or(0)
    }

    fn min_ready_seconds(&self) -> i64 {
        self.replica_set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0).into()
    }

    fn active(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.iter().filter(|pod| pod::is_active(pod))
    }

    fn count(&self, has: impl Fn(&Pod) -> bool) -> i32 {
        number(self.active().filter(|pod| has(pod)).count())
    }
}

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let manage =
        if observed.replica_set.metadata.deletion_timestamp.is_some() { Manage::Nothing } else { manage(observed) };
    Plan { manage, requeue: next_available(observed) }
}

fn manage(observed: &Observed<'_>) -> Manage {
    let active: Vec<Arc<Pod>> = observed.active().cloned().collect();
    match active.len().cmp(&observed.wanted()) {
        std::cmp::Ordering::Equal => Manage::Nothing,
        std::cmp::Ordering::Less => Manage::Create(observed.wanted() - active.len()),
        std::cmp::Ordering::Greater => {
            let surplus = active.len() - observed.wanted();
            Manage::Delete(ranking::least_missed(active, observed.related, surplus, observed.now))
        }
    }
}

/// The soonest time at which a pod that is ready has been so for `minReadySeconds`.
fn next_available(observed: &Observed<'_>) -> Option<Duration> {
    let min_ready_seconds = observed.min_ready_seconds();
    let ready_since = |pod: &Arc<Pod>| {
        pod::condition(pod, "Ready").filter(|ready| ready.status == "True")?.last_transition_time.clone()
    };
    observed.active().filter_map(ready_since).filter_map(|since| until(&since, min_ready_seconds, observed.now)).min()
}

/// The status to write, if it differs from the one there is. `failure`: why pods could not be created or deleted.
pub(super) fn status(observed: &Observed<'_>, failure: Option<&str>) -> Option<ReplicaSetStatus> {
    let replica_set = observed.replica_set;
    let old = replica_set.status.clone().unwrap_or_default();
    let template_labels =
        replica_set.spec.as_ref().and_then(|spec| spec.template.as_ref()?.metadata.as_ref()?.labels.as_ref());
    let fully_labeled = |pod: &Pod| {
        let labels = pod.metadata.labels.as_ref();
        template_labels
            .into_iter()
            .flatten()
            .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    };
    let seconds = observed.min_ready_seconds();
    let terminating = observed.pods.iter().filter(|pod| pod::is_terminating(pod)).count();
    let new = ReplicaSetStatus {
        replicas: observed.count(|_| true),
        fully_labeled_replicas: present(observed.count(fully_labeled)),
        ready_replicas: present(observed.count(pod::is_ready)),
        available_replicas: present(observed.count(|pod| pod::is_available(pod, seconds, observed.now))),
        terminating_replicas: Some(number(terminating)),
        observed_generation: replica_set.metadata.generation,
        conditions: conditions(observed, old.conditions.clone(), failure),
    };
    (new != old).then_some(new)
}

/// ReplicaFailure is there while pods cannot be made or deleted, and begins once: its time is not renewed.
fn conditions(
    observed: &Observed<'_>,
    old: Option<Vec<ReplicaSetCondition>>,
    failure: Option<&str>,
) -> Option<Vec<ReplicaSetCondition>> {
    let mut conditions = old.unwrap_or_default();
    let known = conditions.iter().any(|condition| condition.type_ == "ReplicaFailure");
    match failure {
        None => conditions.retain(|condition| condition.type_ != "ReplicaFailure"),
        Some(message) if !known => {
            let too_few = observed.active().count() < observed.wanted();
            conditions.push(ReplicaSetCondition {
                type_: "ReplicaFailure".to_owned(),
                status: "True".to_owned(),
                reason: Some(if too_few { "FailedCreate" } else { "FailedDelete" }.to_owned()),
                message: Some(message.to_owned()),
                last_transition_time: Some(Time(observed.now)),
            });
        }
        Some(_) => {}
    }
    Some(conditions).filter(|conditions| !conditions.is_empty())
}

/// A pod of the template, owned by the ReplicaSet or what stands for one.
pub(super) fn new_pod<O: Resource<DynamicType = ()>>(owner: &O, template: PodTemplateSpec) -> Pod {
    let meta = template.metadata.unwrap_or_default();
    let metadata = ObjectMeta {
        generate_name: Some(format!("{}-", owner.meta().name.as_deref().unwrap_or_default())),
        namespace: owner.meta().namespace.clone(),
        labels: meta.labels,
        annotations: meta.annotations,
        finalizers: meta.finalizers,
        owner_references: Some(vec![controller_reference(owner)]),
        ..ObjectMeta::default()
    };
    Pod { metadata, spec: template.spec, ..Pod::default() }
}

/// Counts of zero are left out, as upstream's `omitempty` does.
fn present(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;

//! What a StatefulSet needs next. Pure.
//!
//! As upstream's `stateful_set_control.go`: one walk over the ordinals, which under `OrderedReady` ends at the first pod that is to be
//! waited for, then over the pods beyond the range, then, when all that is well, over those of older revisions.

mod claims;
mod identity;
mod status;
mod update;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::apps::v1::{
    ControllerRevision, RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetStatus,
};
use sampan_api::k8s::api::core::v1::{PersistentVolumeClaim, Pod};
use sampan_api::pod;

use crate::history::REVISION;
use crate::time::until;
pub(super) use claims::{pod_of_claim, sets_of_claim};
pub(super) use identity::{is_member, parent_and_ordinal};

/// What is known of a StatefulSet.
pub(super) struct Observed<'a> {
    pub(super) set: &'a StatefulSet,
    /// The pods it owns, each with an ordinal in its name.
    pub(super) pods: &'a [Arc<Pod>],
    /// Finds a claim of its namespace.
    pub(super) claim: &'a dyn Fn(&str) -> Option<Arc<PersistentVolumeClaim>>,
    /// The revision a rollout comes from and the one it goes to.
    pub(super) current: &'a ControllerRevision,
    pub(super) update: &'a ControllerRevision,
    /// Names of revisions that turned out to be taken.
    pub(super) collisions: i32,
    pub(super) now: Timestamp,
}

/// What to do, in this order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Claims to make.
    pub(super) claims: Vec<PersistentVolumeClaim>,
    /// Claims that get other owners.
    pub(super) owners: Vec<PersistentVolumeClaim>,
    pub(super) create: Vec<Pod>,
    /// Pods that get the labels of their identity back.
    pub(super) update: Vec<Pod>,
    pub(super) delete: Vec<Arc<Pod>>,
    /// The name of a pod that cannot be made yet, and why.
    pub(super) blocked: Option<(String, String)>,
    pub(super) status: Option<StatefulSetStatus>,
    /// When a ready pod becomes an available one.
    pub(super) requeue: Option<Duration>,
}

/// Whether the walk may go on to the next pod of an ordered set.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    On,
    Wait,
}

/// One place of the set.
enum Place {
    Taken(Arc<Pod>),
    Free(i32),
}

/// The revision that the status calls current.
pub(super) fn current_revision(
    set: &StatefulSet,
    revisions: &[Arc<ControllerRevision>],
) -> Option<Arc<ControllerRevision>> {
    let current = set.status.as_ref()?.current_revision.as_ref()?;
    revisions.iter().find(|revision| revision.metadata.name.as_ref() == Some(current)).cloned()
}

/// Whether a revision is in use, by the set or by a pod.
pub(super) fn is_live(
    revision: &ControllerRevision,
    pods: &[Arc<Pod>],
    current: &ControllerRevision,
    update: &ControllerRevision,
) -> bool {
    let name = &revision.metadata.name;
    let mut names = pods.iter().map(|pod| revision_of(pod));
    [current, update].iter().any(|used| used.metadata.name == *name) || names.any(|used| used == name.as_deref())
}

impl<'a> Observed<'a> {
    fn spec(&self) -> &'a StatefulSetSpec {
        self.set.spec.as_ref().expect("the driver plans for sets with a spec alone")
    }

    fn replicas(&self) -> i32 {
        self.spec().replicas.unwrap_or(1).max(0)
    }

    fn start(&self) -> i32 {
        self.spec().ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0)
    }

    fn in_range(&self, ordinal: i32) -> bool {
        (self.start()..self.start().saturating_add(self.replicas())).contains(&ordinal)
    }

    fn is_ordered(&self) -> bool {
        self.spec().pod_management_policy.as_deref() != Some("Parallel")
    }

    fn is_on_delete(&self) -> bool {
        let strategy = self.spec().update_strategy.as_ref();
        strategy.is_some_and(|strategy| strategy.type_.as_deref() == Some("OnDelete"))
    }

    fn rolling(&self) -> Option<&'a RollingUpdateStatefulSetStrategy> {
        self.spec().update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref())
    }

    fn partition(&self) -> i32 {
        self.rolling().and_then(|rolling| rolling.partition).unwrap_or(0)
    }

    fn min_ready_seconds(&self) -> i64 {
        self.spec().min_ready_seconds.unwrap_or(0).into()
    }

    fn update_name(&self) -> Option<&'a str> {
        self.update.metadata.name.as_deref()
    }

    /// Running, and ready for long enough.
    fn is_available(&self, pod: &Pod) -> bool {
        is_running_and_ready(pod) && pod::is_available(pod, self.min_ready_seconds(), self.now)
    }

    fn is_unavailable(&self, pod: &Pod) -> bool {
        pod::is_terminating(pod) || !self.is_available(pod)
    }

    /// The places in the order of their ordinals, and the pods beyond them, highest ordinal first.
    fn places(&self) -> (Vec<Place>, Vec<Arc<Pod>>) {
        let mut condemned: Vec<(i32, Arc<Pod>)> = Vec::new();
        let mut places: Vec<Place> =
            (0..self.replicas()).map(|index| Place::Free(self.start().saturating_add(index))).collect();
        for pod in self.pods {
            let Some(ordinal) = identity::ordinal(pod) else { continue };
            let place = usize::try_from(ordinal.saturating_sub(self.start())).ok().filter(|_| self.in_range(ordinal));
            match place.and_then(|index| places.get_mut(index)) {
                Some(place) => *place = Place::Taken(pod.clone()),
                None => condemned.push((ordinal, pod.clone())),
            }
        }
        condemned.sort_by_key(|(ordinal, _)| std::cmp::Reverse(*ordinal));
        (places, condemned.into_iter().map(|(_, pod)| pod).collect())
    }
}

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan { requeue: next_available(observed), ..Plan::default() };
    let (places, condemned) = observed.places();
    if keep_places(observed, &places, &mut plan) == Step::On && give_up(observed, &condemned, &mut plan) == Step::On {
        plan.delete.extend(update::outdated(observed, &places));
    }
    plan.status = status::changed(observed);
    plan
}

/// Sees to each place; an ordered set waits at the first that is not well.
fn keep_places(observed: &Observed<'_>, places: &[Place], plan: &mut Plan) -> Step {
    for place in places {
        let step = match place {
            Place::Free(ordinal) => fill(observed, *ordinal, plan),
            Place::Taken(pod) => keep(observed, pod, plan),
        };
        if step == Step::Wait && observed.is_ordered() {
            return Step::Wait;
        }
    }
    Step::On
}

fn fill(observed: &Observed<'_>, ordinal: i32, plan: &mut Plan) -> Step {
    let pod = identity::new_pod(observed, ordinal);
    match claims::missing(observed, &pod) {
        claims::Missing::Some(missing) => {
            plan.claims.extend(missing);
            plan.create.push(pod);
        }
        claims::Missing::Going(claim) => {
            let name = pod.metadata.name.unwrap_or_default();
            plan.blocked.get_or_insert_with(|| (name, format!("pvc {claim} is being deleted")));
        }
        claims::Missing::Stale => {}
    }
    Step::Wait
}

fn keep(observed: &Observed<'_>, pod: &Arc<Pod>, plan: &mut Plan) -> Step {
    if pod::is_terminal(pod) {
        // However it ended: its successor is made once it is gone.
        if !pod::is_terminating(pod) {
            plan.delete.push(pod.clone());
        }
        return Step::Wait;
    }
    let pending = pod::phase(pod) == "Pending" && !pod::is_terminating(pod);
    if pending && let claims::Missing::Some(missing) = claims::missing(observed, pod) {
        plan.claims.extend(missing);
        plan.owners.extend(claims::to_adjust(observed, pod));
    }
    if observed.is_unavailable(pod) && observed.is_ordered() {
        return Step::Wait;
    }
    if !pod::is_terminating(pod) {
        plan.update.extend(identity::restored(observed, pod));
        if !pending {
            plan.owners.extend(claims::to_adjust(observed, pod));
        }
    }
    Step::On
}

/// Deletes pods beyond the range: an ordered set one by one, the highest first.
///
/// Those that ended go together: nothing of them runs that an order could protect. Upstream waits for the lowest of them to become
/// well, which it never does, so that two pods that failed keep its set from ever shrinking.
fn give_up(observed: &Observed<'_>, condemned: &[Arc<Pod>], plan: &mut Plan) -> Step {
    plan.owners.extend(condemned.iter().flat_map(|pod| claims::to_adjust(observed, pod)));
    if !observed.is_ordered() {
        plan.delete.extend(condemned.iter().filter(|pod| !pod::is_terminating(pod)).cloned());
        return Step::On;
    }
    let mut ended =
        condemned.iter().filter(|pod| pod::is_terminal(pod) && !pod::is_terminating(pod)).cloned().peekable();
    if ended.peek().is_some() {
        plan.delete.extend(ended);
        return Step::Wait;
    }
    let Some(highest) = condemned.first() else { return Step::On };
    let lowest_unavailable = condemned.iter().rfind(|pod| observed.is_unavailable(pod));
    let may_go = observed.is_available(highest)
        || lowest_unavailable.is_some_and(|pod| pod.metadata.uid == highest.metadata.uid);
    if may_go && !pod::is_terminating(highest) {
        plan.delete.push(highest.clone());
    }
    Step::Wait
}

fn is_running_and_ready(pod: &Pod) -> bool {
    pod::phase(pod) == "Running" && pod::is_ready(pod)
}

fn revision_of(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get(REVISION).map(String::as_str)
}

/// The soonest time at which a pod that is ready has been so for `minReadySeconds`.
fn next_available(observed: &Observed<'_>) -> Option<Duration> {
    let seconds = observed.min_ready_seconds();
    let ready = observed.pods.iter().filter(|pod| !pod::is_terminating(pod) && is_running_and_ready(pod));
    let since = ready.filter_map(|pod| pod::condition(pod, "Ready")?.last_transition_time.as_ref());
    since.filter_map(|since| until(since, seconds, observed.now)).min()
}

#[cfg(test)]
mod tests;

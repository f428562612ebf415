//! What a DaemonSet needs next. Pure.
//!
//! As upstream's `daemon_controller.go`: first each node gets what it should have; only when that takes nothing, a rollout goes on.

mod nodes;
mod pods;
mod status;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::apps::v1::{
    ControllerRevision, DaemonSet, DaemonSetSpec, DaemonSetStatus, RollingUpdateDaemonSet,
};
use sampan_api::k8s::api::core::v1::{Node, Pod};
use sampan_api::k8s::apimachinery::pkg::util::intstr::IntOrString;
use sampan_api::pod;

use crate::history::REVISION;
use crate::int_or_percent::{Rounding, scaled};
use crate::time::{or_min, until};
pub(super) use pods::{new_pod, place};

/// What is known of a DaemonSet.
pub(super) struct Observed<'a> {
    pub(super) set: &'a DaemonSet,
    pub(super) nodes: &'a [Arc<Node>],
    /// The pods it owns.
    pub(super) pods: &'a [Arc<Pod>],
    /// The hash of the newest revision.
    pub(super) hash: &'a str,
    /// Names of revisions that turned out to be taken.
    pub(super) collisions: i32,
    /// How long a failed pod stays on a node yet.
    pub(super) in_backoff: &'a dyn Fn(&str) -> Option<Duration>,
    pub(super) now: Timestamp,
}

/// What to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The nodes that get a pod.
    pub(super) create: Vec<String>,
    pub(super) delete: Vec<Arc<Pod>>,
    /// Those to delete because they ended, with their nodes.
    pub(super) failed: Vec<(String, Arc<Pod>)>,
    pub(super) status: Option<DaemonSetStatus>,
    pub(super) requeue: Option<Duration>,
}

/// What a DaemonSet wants of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// There shall be a pod.
    pub(super) run: bool,
    /// A pod that is there may stay.
    pub(super) stay: bool,
}

/// The pods of each node, the oldest first.
type OnNodes = BTreeMap<String, Vec<Arc<Pod>>>;

pub(super) fn hash_of(revision: &ControllerRevision) -> Option<&str> {
    revision.metadata.labels.as_ref()?.get(REVISION).map(String::as_str)
}

/// Whether a revision is in use.
pub(super) fn is_live(revision: &ControllerRevision, pods: &[Arc<Pod>], update: &ControllerRevision) -> bool {
    let hash = hash_of(revision);
    hash == hash_of(update) || pods.iter().any(|pod| pods::hash_of(pod) == hash)
}

impl<'a> Observed<'a> {
    fn spec(&self) -> &'a DaemonSetSpec {
        self.set.spec.as_ref().expect("the driver plans for sets with a spec alone")
    }

    fn rolling(&self) -> Option<&'a RollingUpdateDaemonSet> {
        self.spec().update_strategy.as_ref()?.rolling_update.as_ref()
    }

    fn is_on_delete(&self) -> bool {
        let strategy = self.spec().update_strategy.as_ref();
        strategy.is_some_and(|strategy| strategy.type_.as_deref() == Some("OnDelete"))
    }

    /// How many of `nodes` may have a second pod for a while.
    fn max_surge(&self, nodes: i32) -> i32 {
        let surge = self.rolling().and_then(|rolling| rolling.max_surge.as_ref()).filter(|_| !self.is_on_delete());
        surge.map_or(0, |surge| scaled(surge, nodes, Rounding::Up))
    }

    fn max_unavailable(&self, nodes: i32) -> i32 {
        let one = IntOrString::Int(1);
        let value = self.rolling().and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&one);
        scaled(value, nodes, Rounding::Up)
    }

    fn min_ready_seconds(&self) -> i64 {
        self.spec().min_ready_seconds.unwrap_or(0).into()
    }

    fn is_available(&self, pod: &Pod) -> bool {
        pod::is_available(pod, self.min_ready_seconds(), self.now)
    }

    fn is_new(&self, pod: &Pod) -> bool {
        pods::hash_of(pod) == Some(self.hash)
    }

    /// The pods by node. Those that ended and are on their way out hold no place.
    fn on_nodes(&self) -> OnNodes {
        let mut nodes = OnNodes::new();
        for pod in self.pods.iter().filter(|pod| !(pod::is_terminal(pod) && pod::is_terminating(pod))) {
            if let Some(node) = pods::target_node(pod) {
                nodes.entry(node.to_owned()).or_default().push(pod.clone());
            }
        }
        let age = |pod: &Arc<Pod>| {
            let unbound = pod::node_name(pod).is_none();
            (unbound, or_min(pod.metadata.creation_timestamp.as_ref()), pod.metadata.name.clone())
        };
        nodes.values_mut().for_each(|pods| pods.sort_by_cached_key(age));
        nodes
    }
}

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let on_nodes = observed.on_nodes();
    let mut plan = Plan { requeue: next_available(observed), ..Plan::default() };
    nodes::manage(observed, &on_nodes, &mut plan);
    let nothing_to_do = plan.create.is_empty() && plan.delete.is_empty();
    if nothing_to_do && !observed.is_on_delete() {
        update::roll(observed, &on_nodes, &mut plan);
    }
    plan.status = status::changed(observed, &on_nodes);
    plan
}

/// The soonest time at which a pod that is ready has been so for `minReadySeconds`.
fn next_available(observed: &Observed<'_>) -> Option<Duration> {
    let ready = observed.pods.iter().filter(|pod| pod::is_active(pod) && pod::is_ready(pod));
    let since = ready.filter_map(|pod| pod::condition(pod, "Ready")?.last_transition_time.as_ref());
    since.filter_map(|since| until(since, observed.min_ready_seconds(), observed.now)).min()
}

#[cfg(test)]
mod tests;

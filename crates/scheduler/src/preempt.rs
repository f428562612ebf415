//! Making room: which less important pods to remove so that a pod fits that fits nowhere. Pure. Upstream's `DefaultPreemption`.

mod budgets;
mod choice;
mod victims;

use std::sync::Arc;

use crate::place::Filters;
use crate::{Cursor, NodeState, PodRequest, Profile, Snapshot, Unschedulable};

pub use budgets::{Budget, Budgets};
use choice::Choice;

/// Whose going makes room.
#[derive(Clone, Debug)]
pub struct Preemption {
    /// The node that the pod is to have room on.
    pub node: String,
    /// Who has to go, the most important first.
    pub victims: Vec<Arc<PodRequest>>,
    /// Less important pods that waited for room on the same node: they have to look elsewhere.
    pub displaced: Vec<Arc<PodRequest>>,
}

/// Why no room is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// In upstream's words.
    pub message: String,
    /// No node can be emptied for the pod any more: room kept for it is given up.
    pub gives_up: bool,
}

/// Looks for the node where the least is lost by making room for `pod`, of which [`crate::place`] has said `failure`.
pub fn preempt(
    pod: &PodRequest,
    cluster: &mut Snapshot,
    profile: &Profile,
    failure: &Unschedulable,
    cursor: Cursor,
) -> Result<Preemption, NoRoom> {
    cluster.prepare(pod);
    let cluster = &*cluster;
    if let Some(message) = not_eligible(pod, cluster, failure) {
        return Err(NoRoom { message: message.into(), gives_up: false });
    }
    let filters = Filters::new(pod, cluster, profile);
    let mut why = Unschedulable::new(failure.nodes);
    let choices = dry_run(pod, cluster, &filters, &failure.resolvable, cursor, &mut why);
    let Some(best) = choice::best(choices) else {
        why.not_helpful(failure.nodes - failure.resolvable.len());
        return Err(NoRoom { message: why.message(), gives_up: true });
    };
    let node = cluster.by_slot(best.slot).name.clone();
    let displaced = cluster.nominated_on(&node).filter(|other| other.priority < pod.priority && other.uid != pod.uid);
    Ok(Preemption { displaced: displaced.cloned().collect(), victims: best.victims, node })
}

/// A pod that never preempts, or for which room is being made already.
fn not_eligible(pod: &PodRequest, cluster: &Snapshot, failure: &Unschedulable) -> Option<&'static str> {
    if pod.spec().and_then(|spec| spec.preemption_policy.as_deref()) == Some("Never") {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let nominated = cluster.nomination(&pod.uid).or_else(|| pod.nominated())?;
    let node = cluster.node(nominated)?;
    let may_still_fit = failure.resolvable.contains(&node.slot);
    let is_going = |other: &&Arc<PodRequest>| other.priority < pod.priority && goes_by_preemption(other);
    (may_still_fit && node.pods().any(|other| is_going(&other)))
        .then_some("not eligible due to a terminating pod on the nominated node.")
}

fn goes_by_preemption(pod: &PodRequest) -> bool {
    let conditions = pod.pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    pod.terminating
        && conditions.iter().any(|condition| {
            condition.type_ == "DisruptionTarget"
                && condition.status == "True"
                && condition.reason.as_deref() == Some("PreemptionByScheduler")
        })
}

/// Tries the nodes that could do, beginning somewhere else each time, until there is enough to choose from.
fn dry_run(
    pod: &PodRequest,
    cluster: &Snapshot,
    filters: &Filters<'_>,
    nodes: &[usize],
    cursor: Cursor,
    why: &mut Unschedulable,
) -> Vec<Choice> {
    const AT_LEAST: usize = 100;
    let enough = (nodes.len() / 10).max(AT_LEAST);
    let start = if nodes.is_empty() { 0 } else { cursor.turn % nodes.len() };
    let mut choices: Vec<Choice> = Vec::new();
    for slot in nodes[start..].iter().chain(&nodes[..start]) {
        let node: &NodeState = cluster.by_slot(*slot);
        match victims::select(pod, node, cluster, filters) {
            Ok(choice) => choices.push(choice),
            Err((plugin, verdict)) => why.refuse(*slot, plugin, verdict),
        }
        if choices.len() >= enough && choices.iter().any(|choice| choice.violations == 0) {
            break;
        }
    }
    choices
}

#[cfg(test)]
mod tests;

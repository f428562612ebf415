//! One decision: where this pod goes, given what is known. Pure.

mod filters;
mod unschedulable;

use crate::plugins::{Candidate, Failure, Verdict};
use crate::storage::{self, VolumePlan};
use crate::{NodeState, PodRequest, Profile, Snapshot};

pub(crate) use filters::Filters;
pub use unschedulable::Unschedulable;

/// Where a pod goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Name of the node.
    pub node: String,
    /// What to do about its volumes first.
    pub volumes: VolumePlan,
}

/// Where the last decision left off: the next one looks at the nodes after those, and takes the next of equals. The same cluster, pod and
/// cursor always give the same answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// First node to look at.
    pub start: usize,
    /// Decisions made.
    pub turn: usize,
}

/// So many nodes at least are asked about at once where plugins are asked so.
const AT_ONCE: usize = 64;

/// Decides where `pod` goes. In large clusters the best of enough nodes is taken, not of all. The cluster is changed in its memory alone:
/// what has to be counted for this pod is counted from then on. Where a plugin cannot say, nothing is decided
/// ([`Unschedulable::failure`]).
pub fn place(
    pod: &PodRequest,
    cluster: &mut Snapshot,
    profile: &Profile,
    cursor: &mut Cursor,
) -> Result<Placement, Unschedulable> {
    cluster.prepare(pod);
    let cluster = &*cluster;
    let filters = Filters::new(pod, cluster, profile);
    let mut failure = Unschedulable::new(cluster.order().len());
    let fitting = search(pod, cluster, &filters, cursor, &mut failure);
    cursor.turn = cursor.turn.wrapping_add(1);
    let chosen = fitting.and_then(|fitting| match fitting.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(*only)),
        several => best(pod, cluster, profile, several, cursor.turn).map(Some),
    });
    let node = match chosen {
        Ok(Some(node)) => node,
        Ok(None) => return Err(failure),
        Err(why) => return Err(failure.failed(why)),
    };
    let volumes = storage::plan(pod, node, &cluster.storage).unwrap_or_default();
    Ok(Placement { node: node.name.clone(), volumes })
}

/// Nodes on which the pod fits: the one emptied for it, else enough to choose from.
fn search<'a>(
    pod: &PodRequest,
    cluster: &'a Snapshot,
    filters: &Filters<'_>,
    cursor: &mut Cursor,
    failure: &mut Unschedulable,
) -> Result<Vec<&'a NodeState>, Failure> {
    if let Some(refused) = filters.refused() {
        failure.refuse_all(refused);
        return Ok(Vec::new());
    }
    if let Some(node) = emptied(pod, cluster, filters) {
        return Ok(vec![node]);
    }
    let order = cluster.order();
    let (mut fitting, mut open, mut examined) = (Vec::new(), Vec::new(), 0);
    let enough = enough_nodes(order.len(), filters.percentage);
    let start = if order.is_empty() { 0 } else { cursor.start % order.len() };
    let narrowed = filters.nodes(cluster);
    let rotated = order[start..].iter().chain(&order[..start]).map(|slot| cluster.by_slot(*slot));
    let nodes: Box<dyn Iterator<Item = &NodeState>> = match narrowed {
        Some(nodes) => Box::new(nodes.into_iter()),
        None => Box::new(rotated),
    };
    for node in nodes {
        examined += 1;
        match verdict(pod, node, cluster, filters) {
            (_, Verdict::Fits) => open.push(node),
            (plugin, verdict) => failure.refuse(node.slot, plugin, verdict),
        }
        if open.len() >= (enough - fitting.len()).max(AT_ONCE) {
            filters.sift(&mut open, failure)?;
            fitting.append(&mut open);
            if fitting.len() >= enough {
                break;
            }
        }
    }
    filters.sift(&mut open, failure)?;
    fitting.append(&mut open);
    cursor.start = start + examined;
    failure.exclude(order.len() - examined.min(order.len()), filters.narrowing());
    Ok(fitting)
}

/// The node where room was made for the pod, if it fits there now.
fn emptied<'a>(pod: &PodRequest, cluster: &'a Snapshot, filters: &Filters<'_>) -> Option<&'a NodeState> {
    let name = cluster.nomination(&pod.uid).or_else(|| pod.nominated())?;
    let node = cluster.node(name).filter(|node| filters.allow(node))?;
    let fits = verdict(pod, node, cluster, filters).1 == Verdict::Fits && filters.sift_one(node).1 == Verdict::Fits;
    fits.then_some(node)
}

/// What the first plugin to refuse says of those that are asked about each node, and its number. Where others wait for room on the node
/// that go before this pod, it must fit beside them; and without them as well, because they may never come.
fn verdict(pod: &PodRequest, node: &NodeState, cluster: &Snapshot, filters: &Filters<'_>) -> (usize, Verdict) {
    if cluster.has_nominated() {
        let goes_before = |other: &&std::sync::Arc<PodRequest>| other.priority >= pod.priority && other.uid != pod.uid;
        let come: Vec<_> = cluster.nominated_on(&node.name).filter(goes_before).cloned().collect();
        if !come.is_empty() {
            let then = node.changed([], &come);
            let verdict = filters.check_each(&Candidate { node: &then, gone: &[], come: &come });
            if verdict.1 != Verdict::Fits {
                return verdict;
            }
        }
    }
    filters.check_each(&Candidate { node, gone: &[], come: &[] })
}

/// Of how many fitting nodes the best is good enough. Upstream's `numFeasibleNodesToFind` with its default percentage.
fn enough_nodes(nodes: usize, percentage: Option<usize>) -> usize {
    const AT_LEAST: usize = 100;
    let percentage = percentage.unwrap_or_else(|| 50usize.saturating_sub(nodes / 125).max(5));
    (nodes * percentage / 100).max(AT_LEAST)
}

fn best<'a>(
    pod: &PodRequest,
    cluster: &Snapshot,
    profile: &Profile,
    nodes: &[&'a NodeState],
    turn: usize,
) -> Result<&'a NodeState, Failure> {
    let mut totals = vec![0; nodes.len()];
    for enabled in profile.plugins.iter().filter(|enabled| enabled.weight != 0) {
        let Some(score) = enabled.plugin.pre_score(pod, cluster) else { continue };
        let scores = score(nodes)?;
        debug_assert!(scores.iter().all(|score| (0..=100).contains(score)), "{}: {scores:?}", enabled.plugin.name());
        totals.iter_mut().zip(scores).for_each(|(total, score)| *total += score * enabled.weight);
    }
    let highest = totals.iter().copied().max().unwrap_or(0);
    let equal: Vec<_> =
        nodes.iter().zip(&totals).filter(|(_, total)| **total == highest).map(|(node, _)| node).collect();
    Ok(equal[turn % equal.len()])
}

#[cfg(test)]
mod tests;

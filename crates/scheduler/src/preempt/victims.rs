//! Who has to go from one node: as few and as unimportant pods as will do.

use std::cmp::Reverse;
use std::sync::Arc;

use smallvec::SmallVec;

use super::choice::Choice;
use crate::place::Filters;
use crate::plugins::{Candidate, Reason, Verdict};
use crate::{NodeState, PodRequest, Snapshot};

/// Who has to go from `node`. First all less important pods are thought away; then each is thought back, the most important first, and
/// stays if the pod still fits. Those protected by a budget come before the others. Upstream's `SelectVictimsOnNode`.
pub(super) fn select(
    pod: &PodRequest,
    node: &NodeState,
    cluster: &Snapshot,
    filters: &Filters<'_>,
) -> Result<Choice, (usize, Verdict)> {
    let mut lesser: Vec<_> = node.pods().filter(|other| other.priority < pod.priority).cloned().collect();
    if lesser.is_empty() {
        let reason = Reason::Borrowed("No preemption victims found for incoming pod");
        return Err((0, Verdict::Impossible(SmallVec::from_buf([reason]))));
    }
    lesser.sort_by(|one, other| importance(one).cmp(&importance(other)));
    let mut trial = Trial::new(pod, node, cluster, lesser.clone());
    match trial.verdict(filters) {
        (_, Verdict::Fits) => {}
        refused => return Err(refused),
    }
    let (protected, others) = cluster.budgets.divide(lesser);
    let violations = protected.iter().filter(|pod| !trial.spares(pod, filters)).count();
    for other in &others {
        trial.spares(other, filters);
    }
    let mut victims = trial.gone;
    victims.sort_by(|one, other| importance(one).cmp(&importance(other)));
    Ok(Choice { slot: node.slot, victims, violations })
}

/// Orders by importance: higher priority first, then who has run for longer. Upstream's `MoreImportantPod`.
fn importance(pod: &PodRequest) -> (Reverse<i32>, bool, Option<jiff::Timestamp>, &str) {
    let started = pod.started();
    (Reverse(pod.priority), started.is_none(), started, &pod.uid)
}

/// A node without some of its pods, and with those for which room is made there already.
struct Trial<'a> {
    pod: &'a PodRequest,
    node: NodeState,
    gone: Vec<Arc<PodRequest>>,
    /// More important pods that wait for room on the node.
    come: Vec<Arc<PodRequest>>,
}

impl<'a> Trial<'a> {
    fn new(pod: &'a PodRequest, node: &NodeState, cluster: &Snapshot, gone: Vec<Arc<PodRequest>>) -> Self {
        let goes_before = |other: &&Arc<PodRequest>| other.priority >= pod.priority && other.uid != pod.uid;
        let come = cluster.nominated_on(&node.name).filter(goes_before).cloned().collect();
        Self { pod, node: node.changed(&gone, []), gone, come }
    }

    /// Whether the pod fits beside those who may come, and without them.
    fn verdict(&self, filters: &Filters<'_>) -> (usize, Verdict) {
        debug_assert!(!self.gone.iter().any(|gone| gone.uid == self.pod.uid), "a pod that waits is on no node");
        if !self.come.is_empty() {
            let then = self.node.changed([], &self.come);
            let verdict = filters.check(&Candidate { node: &then, gone: &self.gone, come: &self.come });
            if verdict.1 != Verdict::Fits {
                return verdict;
            }
        }
        filters.check(&Candidate { node: &self.node, gone: &self.gone, come: &[] })
    }

    /// Thinks one pod back. Returns whether it may stay.
    fn spares(&mut self, other: &Arc<PodRequest>, filters: &Filters<'_>) -> bool {
        let Some(position) = self.gone.iter().position(|gone| gone.uid == other.uid) else { return true };
        let back = self.gone.swap_remove(position);
        self.node.add(back.clone());
        if self.verdict(filters).1 == Verdict::Fits {
            return true;
        }
        self.node.remove(&back.uid);
        self.gone.push(back);
        false
    }
}

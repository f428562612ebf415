//! A node must have what the pod asks for; of several, the one with the most left is preferred (upstream's `LeastAllocated`).

use smallvec::SmallVec;

use super::score::MOST;
use super::{Plugin, PreFilter, Reason, Score, Verdict};
use crate::{Event, NodeState, PodRequest, Snapshot};

pub(super) struct NodeResourcesFit;

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, _: &'a Snapshot) -> PreFilter<'a> {
        PreFilter::Check(Box::new(|candidate| fits(pod, candidate.node)))
    }

    fn pre_score<'a>(&self, pod: &'a PodRequest, _: &'a Snapshot) -> Option<Score<'a>> {
        Some(Box::new(|nodes| Ok(nodes.iter().map(|node| left(pod, node)).collect())))
    }

    fn helps(&self, pod: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(node) => fits(pod, node) == Verdict::Fits,
            Event::NodeChanged(node, what) => what.allocatable && fits(pod, node) == Verdict::Fits,
            // It also makes room for one pod more.
            Event::PodGone(_) => true,
            Event::PodChanged(old, new) => old.resources != new.resources,
            _ => false,
        }
    }
}

fn fits(pod: &PodRequest, node: &NodeState) -> Verdict {
    let mut reasons: SmallVec<[Reason; 1]> = SmallVec::new();
    if node.pod_count() >= node.most_pods {
        reasons.push(Reason::Borrowed("Too many pods"));
    }
    let mut ever = true;
    pod.resources.lacking(&node.allocatable, &node.requested, |name, beyond| {
        reasons.push(insufficient(name));
        ever &= !beyond;
    });
    match (reasons.is_empty(), ever) {
        (true, _) => Verdict::Fits,
        (false, true) => Verdict::Refused(reasons),
        (false, false) => Verdict::Impossible(reasons),
    }
}

fn insufficient(name: &str) -> Reason {
    match name {
        "cpu" => Reason::Borrowed("Insufficient cpu"),
        "memory" => Reason::Borrowed("Insufficient memory"),
        "ephemeral-storage" => Reason::Borrowed("Insufficient ephemeral-storage"),
        other => Reason::Owned(format!("Insufficient {other}")),
    }
}

/// The mean of what would be left of CPU and memory, in hundredths.
fn left(pod: &PodRequest, node: &NodeState) -> i64 {
    let resources = [
        (node.allocatable.cpu, node.weight.0.saturating_add(pod.weight.0)),
        (node.allocatable.memory, node.weight.1.saturating_add(pod.weight.1)),
    ];
    let (mut sum, mut counted) = (0, 0);
    for (allocatable, requested) in resources.into_iter().filter(|(allocatable, _)| *allocatable > 0) {
        sum += share(allocatable.saturating_sub(requested).max(0), allocatable);
        counted += 1;
    }
    if counted == 0 { 0 } else { sum / counted }
}

fn share(part: i64, whole: i64) -> i64 {
    match part.checked_mul(MOST) {
        Some(hundredths) => hundredths / whole,
        None => part / (whole / MOST).max(1),
    }
}

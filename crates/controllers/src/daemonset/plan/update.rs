//! From one template to the next. As upstream's `rollingUpdate` in `update.go`.

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::pod;

use super::{Observed, OnNodes, Plan, place};

/// The pods of a node that are not being deleted.
enum OnNode {
    Nothing,
    New(Arc<Pod>),
    Old(Arc<Pod>),
    Both {
        new: Arc<Pod>,
        old: Arc<Pod>,
    },
    /// More than that: for the other half of the plan to clear up.
    Excess,
}

fn on_node(observed: &Observed<'_>, pods: &[Arc<Pod>]) -> OnNode {
    let living = pods.iter().filter(|pod| !pod::is_terminating(pod)).cloned();
    let (mut new, mut old): (Vec<_>, Vec<_>) = living.partition(|pod| observed.is_new(pod));
    if new.len() > 1 || old.len() > 1 {
        return OnNode::Excess;
    }
    match (new.pop(), old.pop()) {
        (None, None) => OnNode::Nothing,
        (Some(new), None) => OnNode::New(new),
        (None, Some(old)) => OnNode::Old(old),
        (Some(new), Some(old)) => OnNode::Both { new, old },
    }
}

pub(super) fn roll(observed: &Observed<'_>, on_nodes: &OnNodes, plan: &mut Plan) {
    let wanted: Vec<&str> = observed
        .nodes
        .iter()
        .filter(|node| place(observed.set, node).run)
        .filter_map(|node| node.metadata.name.as_deref())
        .collect();
    let count = i32::try_from(wanted.len()).unwrap_or(i32::MAX);
    let (surge, mut unavailable) = (observed.max_surge(count), observed.max_unavailable(count));
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    // Nodes that shall have a pod and have none count, and so do those that have one and shall not.
    let mut nodes: Vec<(&str, &[Arc<Pod>])> =
        on_nodes.iter().map(|(node, pods)| (node.as_str(), pods.as_slice())).collect();
    nodes.extend(wanted.iter().filter(|node| !on_nodes.contains_key(**node)).map(|node| (*node, &[][..])));
    let states: Vec<(&str, OnNode)> = nodes.into_iter().map(|(node, pods)| (node, on_node(observed, pods))).collect();
    if surge == 0 {
        replace(observed, states, unavailable, plan);
    } else {
        add(observed, states, surge, &wanted, plan);
    }
}

/// Old pods go, first those that are of no use, then as many as may be missing.
fn replace(observed: &Observed<'_>, states: Vec<(&str, OnNode)>, max_unavailable: i32, plan: &mut Plan) {
    let mut unavailable = 0;
    let mut candidates = Vec::new();
    for (_, state) in states {
        match state {
            OnNode::New(new) if observed.is_available(&new) => {}
            OnNode::Old(old) if observed.is_available(&old) => candidates.push(old),
            OnNode::Old(old) => plan.delete.push(old),
            OnNode::Nothing | OnNode::New(_) | OnNode::Both { .. } | OnNode::Excess => unavailable += 1,
        }
    }
    plan.delete.extend(candidates.into_iter().take(room(max_unavailable, unavailable)));
}

/// New pods come beside the old ones, first where the old one is of no use, then on as many nodes as may have two.
fn add(observed: &Observed<'_>, states: Vec<(&str, OnNode)>, max_surge: i32, wanted: &[&str], plan: &mut Plan) {
    let mut surging = 0;
    let mut candidates = Vec::new();
    for (node, state) in states {
        match state {
            OnNode::Old(_) if !wanted.contains(&node) => {}
            OnNode::Old(old) if observed.is_available(&old) => candidates.push(node.to_owned()),
            OnNode::Old(_) => plan.create.push(node.to_owned()),
            OnNode::Both { new, old } if observed.is_available(&new) => plan.delete.push(old),
            OnNode::Both { .. } | OnNode::Excess => surging += 1,
            OnNode::Nothing | OnNode::New(_) => {}
        }
    }
    plan.create.extend(candidates.into_iter().take(room(max_surge, surging)));
}

fn room(limit: i32, used: i32) -> usize {
    usize::try_from(limit.saturating_sub(used)).unwrap_or(0)
}

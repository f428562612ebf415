//! CPU and memory of a node should fill up evenly, so that none is left over that nobody can use.

use super::score::MOST;
use super::{Plugin, Score};
use crate::{NodeState, PodRequest, Snapshot};

pub(super) struct NodeResourcesBalancedAllocation;

impl Plugin for NodeResourcesBalancedAllocation {
    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn filters(&self) -> bool {
        false
    }

    /// A pod without requests upsets no balance: were it to prefer balanced nodes, all such pods would go to one.
    fn pre_score<'a>(&self, pod: &'a PodRequest, _: &'a Snapshot) -> Option<Score<'a>> {
        if pod.resources.cpu == 0 && pod.resources.memory == 0 {
            return None;
        }
        Some(Box::new(|nodes| Ok(nodes.iter().map(|node| balance(pod, node)).collect())))
    }
}

/// 100 less the standard deviation of the shares in use, in hundredths; of two shares that is half their distance.
fn balance(pod: &PodRequest, node: &NodeState) -> i64 {
    let (cpu, memory) = (node.allocatable.cpu, node.allocatable.memory);
    if cpu <= 0 || memory <= 0 {
        return MOST;
    }
    let used = |used: i64, more: i64, of: i64| i128::from(used.saturating_add(more).clamp(0, of));
    let cpu_used = used(node.requested.cpu, pod.resources.cpu, cpu);
    let memory_used = used(node.requested.memory, pod.resources.memory, memory);
    let (cpu, memory) = (i128::from(cpu), i128::from(memory));
    let distance = (cpu_used * memory - memory_used * cpu).abs();
    let half = i128::from(MOST / 2);
    let score = (cpu * memory * i128::from(MOST) - distance * half) / (cpu * memory);
    i64::try_from(score).unwrap_or(0)
}

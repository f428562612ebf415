//! A node must have what the pod asks for; of several, the one with the most left is preferred (upstream's `LeastAllocated`).

use std::borrow::Cow;

use super::{Hint, Plugin, Verdict};
use crate::{NodeState, PodRequest, Snapshot};

/// What a pod without requests is taken for when nodes are compared, so that they spread: upstream's `util.DefaultMilliCPURequest` and
/// `DefaultMemoryRequest`.
const ASSUMED_CPU: i64 = 100;
const ASSUMED_MEMORY: i64 = 200 << 20;

pub(super) struct NodeResourcesFit;

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn filter(&self, pod: &PodRequest, node: &NodeState, _: &Snapshot) -> Verdict {
        let mut reasons: Vec<Cow<'static, str>> = Vec::new();
        if i64::try_from(node.pod_count()).is_ok_and(|count| count >= node.most_pods) {
            reasons.push("Too many pods".into());
        }
        let missing = pod.resources.missing_from(&node.free());
        reasons.extend(missing.into_iter().map(|name| Cow::Owned(format!("Insufficient {name}"))));
        if reasons.is_empty() { Verdict::Fits } else { Verdict::Refused(reasons) }
    }

    fn score(&self, pod: &PodRequest, node: &NodeState, _: &Snapshot) -> Option<u8> {
        let assumed = |asked: i64, otherwise: i64| if asked > 0 { asked } else { otherwise };
        let cpu = left(node.allocatable.cpu, node.requested.cpu + assumed(pod.resources.cpu, ASSUMED_CPU));
        let memory =
            left(node.allocatable.memory, node.requested.memory + assumed(pod.resources.memory, ASSUMED_MEMORY));
        let pods = left(node.most_pods, i64::try_from(node.pod_count()).unwrap_or(i64::MAX).saturating_add(1));
        u8::try_from((cpu + memory + pods) / 3).ok()
    }

    fn hints(&self) -> &'static [Hint] {
        &[Hint::Node, Hint::PodGone]
    }
}

/// How many hundredths of `allocatable` stay free.
fn left(allocatable: i64, requested: i64) -> i64 {
    if allocatable <= 0 {
        return 0;
    }
    let free = i128::from(allocatable.saturating_sub(requested).max(0));
    i64::try_from(free * 100 / i128::from(allocatable)).unwrap_or(0)
}

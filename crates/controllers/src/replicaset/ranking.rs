//! Which pods are missed least. Pure.
//!
//! The order of upstream's `controller.ActivePodsWithRanks`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::pod;

use crate::time::or_min;

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The criteria in their order; the smallest is deleted first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    assigned: bool,
    phase: u8,
    ready: bool,
    deletion_cost: i32,
    /// More siblings on its node: earlier.
    siblings: std::cmp::Reverse<usize>,
    /// Ready for a shorter time: earlier. Times within a power of two are as good as equal.
    ready_for: u32,
    restarts: std::cmp::Reverse<i32>,
    age: u32,
    uid: Option<String>,
}

/// Picks `count` of the pods. `related` are the pods whose presence on a node counts.
pub(super) fn least_missed(
    mut pods: Vec<Arc<Pod>>,
    related: &[Arc<Pod>],
    count: usize,
    now: Timestamp,
) -> Vec<Arc<Pod>> {
    let mut on_node: BTreeMap<&str, usize> = BTreeMap::new();
    for node in related.iter().filter_map(|pod| pod::node_name(pod)) {
        *on_node.entry(node).or_insert(0) += 1;
    }
    if count < pods.len() {
        pods.sort_by_cached_key(|pod| rank(pod, &on_node, now));
        pods.truncate(count);
    }
    pods
}

fn rank(pod: &Pod, on_node: &BTreeMap<&str, usize>, now: Timestamp) -> Rank {
    let node = pod::node_name(pod);
    let ready = pod::condition(pod, "Ready").filter(|ready| ready.status == "True");
    let ready_since = or_min(ready.and_then(|ready| ready.last_transition_time.as_ref()));
    Rank {
        assigned: node.is_some(),
        phase: phase(pod),
        ready: ready.is_some(),
        deletion_cost: deletion_cost(pod),
        siblings: std::cmp::Reverse(node.and_then(|node| on_node.get(node)).copied().unwrap_or(0)),
        ready_for: if ready.is_some() { magnitude(ready_since, now) } else { 0 },
        restarts: std::cmp::Reverse(restarts(pod)),
        age: magnitude(or_min(pod.metadata.creation_timestamp.as_ref()), now),
        uid: pod.metadata.uid.clone(),
    }
}

fn phase(pod: &Pod) -> u8 {
    match pod::phase(pod) {
        "" | "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    }
}

fn deletion_cost(pod: &Pod) -> i32 {
    let annotations = pod.metadata.annotations.as_ref();
    annotations.and_then(|annotations| annotations.get(DELETION_COST)?.parse().ok()).unwrap_or(0)
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|status| status.restart_count).max().unwrap_or(0)
}

/// The power of two of the seconds since then.
fn magnitude(since: Timestamp, now: Timestamp) -> u32 {
    let seconds = now.duration_since(since).as_secs();
    u64::try_from(seconds).ok().and_then(u64::checked_ilog2).map_or(0, |power| power + 1)
}

//! One pod a node, whatever its revision; two for a moment under `maxSurge`. As upstream's `podsShouldBeOnNode`.

use std::collections::BTreeSet;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::pod;

use super::{Observed, OnNodes, Place, Plan, place};

pub(super) fn manage(observed: &Observed<'_>, on_nodes: &OnNodes, plan: &mut Plan) {
    for node in observed.nodes {
        let Some(name) = node.metadata.name.as_deref() else { continue };
        let pods = on_nodes.get(name).map(Vec::as_slice).unwrap_or_default();
        one_node(observed, name, place(observed.set, node), pods, plan);
    }
    delete_stranded(observed, on_nodes, plan);
}

fn one_node(observed: &Observed<'_>, node: &str, place: Place, pods: &[Arc<Pod>], plan: &mut Plan) {
    if !place.stay {
        plan.delete.extend(pods.iter().filter(|pod| !pod::is_terminating(pod)).cloned());
        return;
    }
    if pods.is_empty() {
        plan.create.extend(place.run.then(|| node.to_owned()));
        return;
    }
    let (ended, living): (Vec<_>, Vec<_>) =
        pods.iter().filter(|pod| !pod::is_terminating(pod)).cloned().partition(|pod| pod::is_terminal(pod));
    let none_lives = living.is_empty();
    replace_ended(observed, node, ended, plan);
    if observed.max_surge(1) == 0 {
        plan.delete.extend(living.into_iter().skip(1));
    } else if none_lives {
        // The new pod does not wait for the last to go.
        plan.create.extend(place.run.then(|| node.to_owned()));
    } else {
        keep_pair(observed, living, plan);
    }
}

/// A successor comes once these are gone.
fn replace_ended(observed: &Observed<'_>, node: &str, ended: Vec<Arc<Pod>>, plan: &mut Plan) {
    for pod in ended {
        let wait = (observed.in_backoff)(node).filter(|_| pod::phase(&pod) == "Failed");
        if let Some(left) = wait {
            plan.requeue = Some(plan.requeue.map_or(left, |other| other.min(left)));
            continue;
        }
        plan.failed.push((node.to_owned(), pod.clone()));
        plan.delete.push(pod);
    }
}

/// Under `maxSurge` two may stay: the oldest of each, while the new one is not available and the old one is ready.
fn keep_pair(observed: &Observed<'_>, living: Vec<Arc<Pod>>, plan: &mut Plan) {
    let (new, old): (Vec<_>, Vec<_>) = living.into_iter().partition(|pod| observed.is_new(pod));
    let mut old = old.into_iter();
    let oldest_old = old.next();
    let replaced = |old: &Arc<Pod>| new.first().is_some_and(|new| !pod::is_ready(old) || observed.is_available(new));
    plan.delete.extend(oldest_old.filter(replaced));
    plan.delete.extend(old);
    plan.delete.extend(new.into_iter().skip(1));
}

/// A pod meant for a node that is gone would wait for ever. Those that were there are the pod garbage collector's.
fn delete_stranded(observed: &Observed<'_>, on_nodes: &OnNodes, plan: &mut Plan) {
    let known: BTreeSet<&str> = observed.nodes.iter().filter_map(|node| node.metadata.name.as_deref()).collect();
    let gone = on_nodes.iter().filter(|(node, _)| !known.contains(node.as_str())).flat_map(|(_, pods)| pods);
    let stranded = gone.filter(|pod| pod::node_name(pod).is_none() && !pod::is_terminating(pod));
    plan.delete.extend(stranded.cloned());
}

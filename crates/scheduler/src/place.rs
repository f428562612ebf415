//! One decision: where this pod goes, given what is known. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::plugins::{Hint, Plugin, Verdict};
use crate::{NodeState, PodRequest, Snapshot};

/// Where a pod goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Name of the node.
    pub node: String,
}

/// Why a pod goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unschedulable {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many nodes were refused for each reason.
    pub reasons: BTreeMap<Cow<'static, str>, usize>,
    /// Changes that may help.
    pub hints: BTreeSet<Hint>,
}

impl Unschedulable {
    /// The message of a `FailedScheduling` event, as upstream's `FitError.Error` words it: reasons sorted as text, counts included.
    pub fn message(&self) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".into();
        }
        let mut reasons: Vec<_> = self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        reasons.sort();
        format!("0/{} nodes are available: {}.", self.nodes, reasons.join(", "))
    }
}

/// Decides where `pod` goes. Among equally good nodes `turn` chooses, so that calling with a counter spreads pods evenly and the same
/// arguments always give the same answer.
pub fn place(
    pod: &PodRequest,
    cluster: &Snapshot,
    plugins: &[Box<dyn Plugin>],
    turn: usize,
) -> Result<Placement, Unschedulable> {
    let mut failure = Unschedulable { nodes: 0, reasons: BTreeMap::new(), hints: BTreeSet::from([Hint::Node]) };
    let mut fitting = Vec::new();
    for node in cluster.nodes() {
        failure.nodes += 1;
        if fits(pod, node, cluster, plugins, &mut failure) {
            fitting.push(node);
        }
    }
    let best = fitting.iter().map(|node| score(pod, node, cluster, plugins)).collect::<Vec<_>>();
    let Some(highest) = best.iter().max() else { return Err(failure) };
    let equal: Vec<_> =
        fitting.iter().zip(&best).filter(|(_, score)| *score == highest).map(|(node, _)| node).collect();
    Ok(Placement { node: equal[turn % equal.len()].name.clone() })
}

fn fits(
    pod: &PodRequest,
    node: &NodeState,
    cluster: &Snapshot,
    plugins: &[Box<dyn Plugin>],
    failure: &mut Unschedulable,
) -> bool {
    for plugin in plugins {
        if let Verdict::Refused(reasons) = plugin.filter(pod, node, cluster) {
            failure.hints.extend(plugin.hints());
            for reason in reasons {
                *failure.reasons.entry(reason).or_default() += 1;
            }
            return false;
        }
    }
    true
}

fn score(pod: &PodRequest, node: &NodeState, cluster: &Snapshot, plugins: &[Box<dyn Plugin>]) -> u32 {
    plugins.iter().filter_map(|plugin| Some(u32::from(plugin.score(pod, node, cluster)?) * plugin.weight())).sum()
}

#[cfg(test)]
mod tests;

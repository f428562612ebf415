//! The questions that must all be answered with yes, made once a decision.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use crate::plugins::{Candidate, Failure, Filter, PreFilter, Reason, Sieve, Sifted, Verdict};
use crate::{NodeState, PodRequest, Profile, Snapshot, Unschedulable};

/// What the plugins ask of a node for one pod.
pub(crate) struct Filters<'a> {
    checks: Vec<(usize, Filter<'a>)>,
    /// Asked of what all checks let through, many nodes at once.
    sieves: Vec<(usize, Sieve<'a>)>,
    /// The only nodes that can fit, by name.
    narrowed: Option<BTreeSet<String>>,
    narrowing: Vec<(usize, &'a str)>,
    refused: Option<(usize, Reason)>,
    /// Of how many nodes the best is taken.
    pub(super) percentage: Option<usize>,
}

impl<'a> Filters<'a> {
    pub(crate) fn new(pod: &'a PodRequest, cluster: &'a Snapshot, profile: &'a Profile) -> Self {
        let mut filters = Self {
            checks: Vec::new(),
            sieves: Vec::new(),
            narrowed: None,
            narrowing: Vec::new(),
            refused: None,
            percentage: profile.percentage,
        };
        for (number, enabled) in profile.plugins.iter().enumerate().filter(|(_, enabled)| enabled.filters) {
            match enabled.plugin.pre_filter(pod, cluster) {
                PreFilter::Skip => {}
                PreFilter::Check(filter) => filters.checks.push((number, filter)),
                PreFilter::Sift(sieve) => filters.sieves.push((number, sieve)),
                PreFilter::Narrow(names, filter) => {
                    filters.narrow(names);
                    filters.narrowing.push((number, enabled.plugin.name()));
                    filters.checks.push((number, filter));
                }
                PreFilter::Refuse(reason) => {
                    filters.refused = Some((number, reason));
                    break;
                }
            }
        }
        filters
    }

    /// Who refuses the pod whatever the node, and why.
    pub(crate) fn refused(&self) -> Option<&(usize, Reason)> {
        self.refused.as_ref()
    }

    /// The nodes left to look at, when some plugin knows that no other can fit.
    pub(crate) fn nodes<'b>(&self, cluster: &'b Snapshot) -> Option<Vec<&'b NodeState>> {
        let names = self.narrowed.as_ref()?;
        Some(names.iter().filter_map(|name| cluster.node(name)).collect())
    }

    /// Whether `node` is among those left to look at.
    pub(crate) fn allow(&self, node: &NodeState) -> bool {
        self.narrowed.as_ref().is_none_or(|names| names.contains(&node.name))
    }

    /// The plugins that know that, by number and name.
    pub(crate) fn narrowing(&self) -> &[(usize, &'a str)] {
        &self.narrowing
    }

    /// The first refusal, and the number of the plugin that refused.
    pub(crate) fn check(&self, candidate: &Candidate<'_>) -> (usize, Verdict) {
        let verdict = self.check_each(candidate);
        if verdict.1 != Verdict::Fits {
            return verdict;
        }
        self.sift_one(candidate.node)
    }

    /// As [`Self::check`], without those who are asked about many nodes at once.
    pub(super) fn check_each(&self, candidate: &Candidate<'_>) -> (usize, Verdict) {
        for (number, filter) in &self.checks {
            let verdict = filter(candidate);
            if verdict != Verdict::Fits {
                return (*number, verdict);
            }
        }
        (0, Verdict::Fits)
    }

    /// What those say of one node who are asked about many nodes at once.
    pub(super) fn sift_one(&self, node: &NodeState) -> (usize, Verdict) {
        for (number, sieve) in &self.sieves {
            match sieve(&[node]) {
                Ok(Sifted { refused, .. }) if refused.is_empty() => {}
                Ok(Sifted { reason, .. }) => return (*number, Verdict::Impossible(SmallVec::from_buf([reason]))),
                Err(failure) => return (*number, Verdict::Failed(failure)),
            }
        }
        (0, Verdict::Fits)
    }

    /// Takes from `nodes` those that do not fit, and notes in `failure` who refused them.
    pub(super) fn sift(&self, nodes: &mut Vec<&NodeState>, failure: &mut Unschedulable) -> Result<(), Failure> {
        for (number, sieve) in &self.sieves {
            if nodes.is_empty() {
                return Ok(());
            }
            let Sifted { refused, reason } = sieve(nodes)?;
            failure.refuse_many(refused.len(), *number, &reason);
            let (mut at, mut refused) = (0, refused.into_iter().peekable());
            nodes.retain(|_| {
                at += 1;
                refused.next_if_eq(&(at - 1)).is_none()
            });
        }
        Ok(())
    }

    fn narrow(&mut self, names: Vec<String>) {
        let names: BTreeSet<_> = names.into_iter().collect();
        self.narrowed = Some(match self.narrowed.take() {
            Some(before) => before.intersection(&names).cloned().collect(),
            None => names,
        });
    }
}

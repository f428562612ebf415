//! Why a pod goes nowhere.

use smallvec::SmallVec;

use crate::plugins::{Failure, Reason, Verdict};
use crate::profile::PluginSet;

/// Why a pod goes nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unschedulable {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many nodes were refused for each reason.
    pub reasons: Vec<(Reason, usize)>,
    /// Who refused: what happens is asked of them whether it can help.
    pub plugins: PluginSet,
    /// A plugin that could not say, and why: nothing was decided. The message then is this alone.
    pub failure: Option<Box<Failure>>,
    /// What making room came to, in words.
    pub preemption: Option<String>,
    /// A reason that lies in the pod and needs no count.
    blanket: Option<Reason>,
    /// Nodes, by number, that would do if other pods went.
    pub(crate) resolvable: Vec<usize>,
}

impl Unschedulable {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { nodes, ..Self::default() }
    }

    /// The message of a `FailedScheduling` event, as upstream's `FitError.Error` words it: reasons sorted as text, counts included.
    pub fn message(&self) -> String {
        if let Some(failure) = &self.failure {
            return failure.to_string();
        }
        if self.nodes == 0 {
            return "no nodes available to schedule pods".into();
        }
        let mut message = format!("0/{} nodes are available:", self.nodes);
        match &self.blanket {
            Some(reason) => message += &format!(" {reason}."),
            None if self.reasons.is_empty() => {}
            None => {
                let mut reasons: Vec<_> =
                    self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
                reasons.sort();
                message += &format!(" {}.", reasons.join(", "));
            }
        }
        if let Some(preemption) = &self.preemption {
            message += &format!(" preemption: {preemption}");
        }
        message
    }

    /// A node was refused by a plugin.
    pub(crate) fn refuse(&mut self, slot: usize, plugin: usize, verdict: Verdict) {
        self.plugins |= 1 << plugin;
        let reasons = match verdict {
            Verdict::Fits => return,
            Verdict::Refused(reasons) => {
                self.resolvable.push(slot);
                reasons
            }
            Verdict::Impossible(reasons) => reasons,
            Verdict::Failed(failure) => SmallVec::from_buf([failure.0.into()]),
        };
        for reason in reasons {
            self.count(reason, 1);
        }
    }

    /// So many nodes were refused by a plugin for one reason.
    pub(crate) fn refuse_many(&mut self, nodes: usize, plugin: usize, reason: &Reason) {
        if nodes > 0 {
            self.plugins |= 1 << plugin;
            self.count(reason.clone(), nodes);
        }
    }

    /// A plugin could not say.
    pub(crate) fn failed(mut self, failure: Failure) -> Self {
        self.failure = Some(Box::new(failure));
        self
    }

    /// All nodes were refused, for what the pod is.
    pub(crate) fn refuse_all(&mut self, (plugin, reason): &(usize, Reason)) {
        self.plugins |= 1 << plugin;
        self.blanket = Some(reason.clone());
    }

    /// Nodes where nothing is won by removing pods.
    pub(crate) fn not_helpful(&mut self, nodes: usize) {
        if nodes > 0 {
            self.count("Preemption is not helpful for scheduling".into(), nodes);
        }
    }

    /// Nodes that were not looked at, because plugins knew they cannot fit.
    pub(crate) fn exclude(&mut self, nodes: usize, by: &[(usize, &str)]) {
        if nodes == 0 || by.is_empty() {
            return;
        }
        by.iter().for_each(|(plugin, _)| self.plugins |= 1 << plugin);
        let mut names: Vec<_> = by.iter().map(|(_, name)| *name).collect();
        names.sort_unstable();
        let reason = format!("node(s) didn't satisfy plugin(s) [{}]", names.join(" "));
        self.count(reason.into(), nodes);
    }

    /// There are few reasons and many nodes.
    fn count(&mut self, reason: Reason, nodes: usize) {
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += nodes,
            None => self.reasons.push((reason, nodes)),
        }
    }
}

//! Plugins from outside: who answers lies behind [`Extension`], which is asked about many nodes at once and told of nodes by number.
//!
//! [`Extended`] makes a [`Plugin`] of one. It sees to it that the extension knows the nodes before it is asked, tells it of changes alone,
//! and turns a failure into a decision that is not made.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::plugins::{Failure, Plugin, PreFilter, Score, Sifted};
use crate::snapshot::NodeNews;
use crate::{Event, NodeState, PodRequest, Snapshot};

/// One that answers from outside.
///
/// # Contract
/// [`Extension::start`] is called before anything else, each time. After an error of any other method, what it knew of nodes is lost: the
/// next `start` says so, or fails for as long as the extension is to be left alone. Numbers of nodes are those of [`NodeState::number`].
/// Calls are short: the scheduler waits for each.
pub trait Extension: Send {
    /// Sees that there is one to ask. Returns whether it is new, and has heard of no node.
    fn start(&mut self) -> Result<bool, String>;

    /// Nodes came or are others; nodes went. A number may be given to another node.
    fn nodes(&mut self, changed: &[&NodeState], gone: &[u32]) -> Result<(), String>;

    /// What runs on these nodes is something else now.
    fn usage(&mut self, changed: &[&NodeState]) -> Result<(), String>;

    /// Which of the nodes, by their places in `nodes` and ascending, will not do for the pod, and why.
    fn filter(&mut self, pod: &PodRequest, nodes: &[u32]) -> Result<Sifted, String>;

    /// How good the nodes are for the pod, each from 0 to 100, in the order of `nodes`.
    fn score(&mut self, pod: &PodRequest, nodes: &[u32]) -> Result<Vec<u8>, String>;
}

/// An [`Extension`] as a plugin.
pub struct Extended {
    name: Arc<str>,
    filters: bool,
    scores: bool,
    informed: Arc<Mutex<Informed>>,
}

/// The extension, and how much it has been told.
struct Informed {
    extension: Box<dyn Extension>,
    /// Up to where in the snapshot's journal.
    told: Option<u64>,
}

impl Extended {
    /// The plugin `name`, which filters, scores, or both.
    pub fn new(name: &str, extension: Box<dyn Extension>, filters: bool, scores: bool) -> Self {
        let informed = Informed { extension, told: None };
        Self { name: name.into(), filters, scores, informed: Arc::new(Mutex::new(informed)) }
    }
}

impl Plugin for Extended {
    fn name(&self) -> &str {
        &self.name
    }

    fn filters(&self) -> bool {
        self.filters
    }

    fn scores(&self) -> bool {
        self.scores
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> PreFilter<'a> {
        if !self.filters {
            return PreFilter::Skip;
        }
        let (name, informed) = (self.name.clone(), self.informed.clone());
        PreFilter::Sift(Box::new(move |nodes| {
            let sifted = informed.lock().ask(cluster, |extension| extension.filter(pod, &numbers(nodes)));
            sifted.map_err(|why| Failure(format!("running {name:?} filter plugin: {why}")))
        }))
    }

    fn pre_score<'a>(&self, pod: &'a PodRequest, cluster: &'a Snapshot) -> Option<Score<'a>> {
        if !self.scores {
            return None;
        }
        let (name, informed) = (self.name.clone(), self.informed.clone());
        Some(Box::new(move |nodes| {
            let scores = informed.lock().ask(cluster, |extension| extension.score(pod, &numbers(nodes)));
            let scores = scores.map_err(|why| Failure(format!("running {name:?} score plugin: {why}")))?;
            Ok(scores.into_iter().map(i64::from).collect())
        }))
    }

    /// It may look at anything it is told of.
    fn helps(&self, _: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(_) | Event::NodeGone => true,
            Event::NodeChanged(_, what) => what.labels || what.allocatable,
            Event::PodCame(_) | Event::PodGone(_) => true,
            Event::PodChanged(old, new) => old.resources != new.resources,
            Event::Claim(..) | Event::Storage | Event::Namespace => false,
        }
    }
}

impl Informed {
    fn ask<T>(
        &mut self,
        cluster: &Snapshot,
        question: impl FnOnce(&mut dyn Extension) -> Result<T, String>,
    ) -> Result<T, String> {
        if self.extension.start()? {
            self.told = None;
        }
        self.inform(cluster)?;
        question(self.extension.as_mut())
    }

    fn inform(&mut self, cluster: &Snapshot) -> Result<(), String> {
        let end = cluster.journal().end();
        if self.told == Some(end) {
            return Ok(());
        }
        match self.told.and_then(|told| cluster.journal().since(told)) {
            Some(changes) => self.tell_changes(cluster, changes)?,
            None => {
                let all: Vec<_> = cluster.nodes().collect();
                self.extension.nodes(&all, &[])?;
                self.extension.usage(&all)?;
            }
        }
        self.told = Some(end);
        Ok(())
    }

    fn tell_changes(&mut self, cluster: &Snapshot, changes: impl Iterator<Item = NodeNews>) -> Result<(), String> {
        let (mut nodes, mut used) = (BTreeSet::new(), BTreeSet::new());
        for change in changes {
            match change {
                NodeNews::Node(node) => drop(nodes.insert(node)),
                NodeNews::Usage(node) => drop(used.insert(node)),
            }
        }
        if !nodes.is_empty() {
            let changed: Vec<_> = nodes.iter().filter_map(|node| cluster.numbered(*node)).collect();
            let gone = nodes.iter().filter(|node| cluster.numbered(**node).is_none());
            self.extension.nodes(&changed, &gone.map(|node| number(*node)).collect::<Vec<_>>())?;
        }
        // What runs on a node that is another now is told as well: of a new one nothing is known.
        let used: Vec<_> = used.union(&nodes).filter_map(|node| cluster.numbered(*node)).collect();
        if used.is_empty() { Ok(()) } else { self.extension.usage(&used) }
    }
}

fn numbers(nodes: &[&NodeState]) -> Vec<u32> {
    nodes.iter().map(|node| number(node.number())).collect()
}

fn number(node: usize) -> u32 {
    u32::try_from(node).expect("there are fewer nodes than that")
}

#[cfg(test)]
mod tests;

//! A way to schedule, under a name that pods ask for in `spec.schedulerName`.

mod choice;

use crate::plugins::{self, Plugin};

pub use choice::{Choice, ChoiceError, Point};

/// Plugins by number, as bits: who refused a pod.
pub type PluginSet = u64;

/// Which plugins are asked, and how much each counts.
pub struct Profile {
    /// Pods whose `spec.schedulerName` is this.
    pub name: String,
    pub(crate) plugins: Vec<Enabled>,
    pub(crate) percentage: Option<usize>,
}

pub(crate) struct Enabled {
    pub(crate) plugin: Box<dyn Plugin>,
    /// 0: its opinion on which nodes are better is not asked.
    pub(crate) weight: i64,
    pub(crate) filters: bool,
}

impl Profile {
    /// Upstream's default plugins with their default weights.
    pub fn new(name: &str) -> Self {
        let enabled = |(plugin, weight)| Enabled { plugin, weight, filters: true };
        Self { name: name.to_owned(), plugins: plugins::all().into_iter().map(enabled).collect(), percentage: None }
    }

    /// As [`Self::new`], with another weight for a plugin's score; 0 disables the score. Unknown names are ignored.
    #[must_use]
    pub fn weight(mut self, plugin: &str, weight: i64) -> Self {
        let named = self.plugins.iter_mut().filter(|enabled| enabled.plugin.name() == plugin);
        named.for_each(|enabled| enabled.weight = weight);
        self
    }

    /// Of how many nodes, in hundredths, the best is taken; otherwise of fewer the larger the cluster is. Upstream's
    /// `percentageOfNodesToScore`.
    #[must_use]
    pub fn percentage_of_nodes_to_score(mut self, percentage: usize) -> Self {
        self.percentage = Some(percentage.clamp(1, 100));
        self
    }

    /// Without a plugin: it neither filters nor scores. Unknown names are ignored.
    #[must_use]
    pub fn without(mut self, plugin: &str) -> Self {
        for enabled in self.plugins.iter_mut().filter(|enabled| enabled.plugin.name() == plugin) {
            enabled.weight = 0;
            enabled.filters = false;
        }
        self
    }

    /// The plugins of a set.
    pub(crate) fn members(&self, set: PluginSet) -> impl Iterator<Item = &dyn Plugin> {
        let chosen = self.plugins.iter().enumerate().filter(move |(number, _)| set & (1 << number) != 0);
        chosen.map(|(_, enabled)| enabled.plugin.as_ref())
    }
}

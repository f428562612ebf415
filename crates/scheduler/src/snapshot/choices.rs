//! Which nodes pods may choose, for each node selector and affinity asked for lately: an answer by number instead of a look at labels.

use std::collections::HashMap;

use sampan_api::node_choice::NodeChoice;

use super::counters::Site;

/// So many are kept.
const KEPT: usize = 1024;

/// The nodes of each choice, by slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices(HashMap<NodeChoice, Vec<bool>>);

impl Choices {
    /// Whether a node is among those chosen, if the choice is known.
    pub(super) fn get(&self, choice: &NodeChoice) -> Option<&[bool]> {
        self.0.get(choice).map(Vec::as_slice)
    }

    /// Answers for `choice` from now on; `sites` are the nodes there are.
    pub(super) fn know<'a>(&mut self, choice: &NodeChoice, sites: impl Iterator<Item = Site<'a>>) {
        if self.0.contains_key(choice) {
            return;
        }
        if self.0.len() >= KEPT {
            self.0.clear();
        }
        let mut nodes = Vec::new();
        sites.for_each(|site| set(&mut nodes, site.slot, choice.matches(site.name, site.labels)));
        self.0.insert(choice.clone(), nodes);
    }

    /// A node came.
    pub(super) fn enter(&mut self, site: &Site<'_>) {
        for (choice, nodes) in &mut self.0 {
            set(nodes, site.slot, choice.matches(site.name, site.labels));
        }
    }
}

fn set(nodes: &mut Vec<bool>, slot: usize, chosen: bool) {
    if nodes.len() <= slot {
        nodes.resize(slot + 1, false);
    }
    nodes[slot] = chosen;
}

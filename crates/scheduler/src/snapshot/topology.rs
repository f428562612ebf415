//! Where nodes are, for each node label that somebody counts by: a column of small numbers instead of look-ups by text.

use std::collections::HashMap;

use crate::selector::Labels;

/// The place of a node without the label.
pub(crate) const NOWHERE: usize = usize::MAX;

/// One column per topology key in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topology {
    keys: HashMap<String, usize>,
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    key: String,
    /// Number of each value of the label.
    places: HashMap<String, usize>,
    /// Place of each node, by slot.
    of: Vec<usize>,
    /// Nodes in each place; a number nobody has is given again.
    nodes: Vec<usize>,
    vacant: Vec<usize>,
}

impl Topology {
    /// The column of a key, if anybody counts by it.
    pub(crate) fn column(&self, key: &str) -> Option<usize> {
        self.keys.get(key).copied()
    }

    /// The column of a key; `nodes` are those there are, for a new one.
    pub(crate) fn column_or_new<'a>(&mut self, key: &str, nodes: impl Iterator<Item = (usize, &'a Labels)>) -> usize {
        if let Some(column) = self.column(key) {
            return column;
        }
        let mut column = Column::new(key);
        nodes.for_each(|(slot, labels)| column.enter(slot, labels));
        self.keys.insert(key.to_owned(), self.columns.len());
        self.columns.push(column);
        self.columns.len() - 1
    }

    /// Where a node is.
    pub(crate) fn place(&self, column: usize, slot: usize) -> usize {
        self.columns[column].of.get(slot).copied().unwrap_or(NOWHERE)
    }

    /// A node came.
    pub(crate) fn enter(&mut self, slot: usize, labels: &Labels) {
        self.columns.iter_mut().for_each(|column| column.enter(slot, labels));
    }

    /// A node went.
    pub(crate) fn leave(&mut self, slot: usize, labels: &Labels) {
        self.columns.iter_mut().for_each(|column| column.leave(slot, labels));
    }
}

impl Column {
    fn new(key: &str) -> Self {
        Self { key: key.to_owned(), places: HashMap::new(), of: Vec::new(), nodes: Vec::new(), vacant: Vec::new() }
    }

    fn enter(&mut self, slot: usize, labels: &Labels) {
        if self.of.len() <= slot {
            self.of.resize(slot + 1, NOWHERE);
        }
        let Some(value) = labels.get(&self.key) else { return };
        let place = match self.places.get(value) {
            Some(place) => *place,
            None => self.new_place(value),
        };
        self.nodes[place] += 1;
        self.of[slot] = place;
    }

    fn new_place(&mut self, value: &str) -> usize {
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.nodes.push(0);
            self.nodes.len() - 1
        });
        self.places.insert(value.to_owned(), place);
        place
    }

    fn leave(&mut self, slot: usize, labels: &Labels) {
        let place = std::mem::replace(&mut self.of[slot], NOWHERE);
        if place == NOWHERE {
            return;
        }
        self.nodes[place] -= 1;
        if self.nodes[place] == 0 {
            self.vacant.push(place);
            labels.get(&self.key).map(|value| self.places.remove(value));
        }
    }
}

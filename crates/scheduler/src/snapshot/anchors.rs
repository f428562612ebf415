//! Finds the selectors that may match an object without asking all of them.

use std::collections::HashMap;

use crate::selector::{Labels, Selector};

/// Numbers of selectors, filed under a label that everything they select has.
#[derive(Clone, Debug, Default)]
pub(super) struct Anchors {
    anchored: HashMap<String, HashMap<String, Vec<usize>>>,
    /// Those that say no such label.
    loose: Vec<usize>,
}

impl Anchors {
    pub(super) fn add(&mut self, selector: &Selector, id: usize) {
        self.drawer(selector).push(id);
    }

    pub(super) fn remove(&mut self, selector: &Selector, id: usize) {
        self.drawer(selector).retain(|other| *other != id);
        if let Some((key, value)) = selector.anchor()
            && let Some(values) = self.anchored.get_mut(key)
        {
            values.retain(|other, ids| other != value || !ids.is_empty());
            if values.is_empty() {
                self.anchored.remove(key);
            }
        }
    }

    /// Every selector that can match `labels`, and some that do not.
    pub(super) fn candidates<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = usize> + 'a {
        let anchored = labels.iter().filter_map(|(key, value)| self.anchored.get(key)?.get(value)).flatten();
        anchored.chain(&self.loose).copied()
    }

    fn drawer(&mut self, selector: &Selector) -> &mut Vec<usize> {
        match selector.anchor() {
            Some((key, value)) => self.anchored.entry(key.to_owned()).or_default().entry(value.to_owned()).or_default(),
            None => &mut self.loose,
        }
    }
}

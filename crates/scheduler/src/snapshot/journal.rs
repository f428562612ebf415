//! What changed lately, for those who keep a picture of the nodes of their own and want to hear of changes alone.

use std::collections::VecDeque;

/// So many changes are kept; whoever has missed more looks at everything anew.
const KEPT: usize = 8192;

/// A node of which something changed, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeNews {
    /// It came, went, or is another.
    Node(usize),
    /// What runs there.
    Usage(usize),
}

/// Changes in their order, the last ones kept.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// How many were dropped.
    dropped: u64,
    changes: VecDeque<NodeNews>,
}

impl Journal {
    pub(super) fn note(&mut self, change: NodeNews) {
        if self.changes.len() == KEPT {
            self.changes.pop_front();
            self.dropped += 1;
        }
        self.changes.push_back(change);
    }

    /// How many there have been: where to go on from.
    pub fn end(&self) -> u64 {
        self.dropped + self.changes.len() as u64
    }

    /// What changed since there were `seen` changes; `None`: too much, look at everything.
    pub fn since(&self, seen: u64) -> Option<impl Iterator<Item = NodeNews> + '_> {
        let known = usize::try_from(seen.checked_sub(self.dropped)?).ok()?;
        (known <= self.changes.len()).then(|| self.changes.range(known..).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_missed_too_much_is_told_so() {
        let mut journal = Journal::default();
        let news = |journal: &Journal, seen| journal.since(seen).map(Iterator::collect::<Vec<_>>);
        assert_eq!(news(&journal, 0), Some(vec![]));
        journal.note(NodeNews::Node(3));
        let seen = journal.end();
        journal.note(NodeNews::Usage(3));
        assert_eq!(news(&journal, seen), Some(vec![NodeNews::Usage(3)]));
        (0..KEPT).for_each(|_| journal.note(NodeNews::Usage(1)));
        assert_eq!(news(&journal, seen), None);
        assert_eq!(news(&journal, journal.end()), Some(vec![]));
        assert_eq!(news(&journal, journal.end() + 1), None);
    }
}

//! The memory limit of a container: all memories and tables of all its instances count against one budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

/// What a table element takes.
const ELEMENT_BYTES: u64 = 8;

/// The budget of one container.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    /// `None` is no limit.
    pub(crate) fn new(limit: Option<u64>) -> Arc<Self> {
        Arc::new(Budget { limit: limit.unwrap_or(u64::MAX), used: AtomicU64::new(0) })
    }

    /// Bytes held now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether the bytes are granted.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let take = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What one instance holds of the budget; given back when the instance goes.
#[derive(Debug)]
pub(crate) struct Memory {
    budget: Arc<Budget>,
    held: u64,
    denied: Option<Denied>,
}

/// A growth that was refused and not followed by one that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    /// Bytes the instance would have held.
    pub(crate) wanted: u64,
    /// The container's limit.
    pub(crate) limit: u64,
}

impl Denied {
    /// The instance alone wanted more than the limit: it was not its neighbours' use that left too little.
    pub(crate) fn alone(&self) -> bool {
        self.wanted > self.limit
    }
}

impl Memory {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Memory { budget, held: 0, denied: None }
    }

    pub(crate) fn denied(&self) -> Option<Denied> {
        self.denied
    }

    fn grow(&mut self, bytes: u64) -> bool {
        let granted = self.budget.take(bytes);
        if granted {
            self.held += bytes;
            self.denied = None;
        } else {
            self.denied = Some(Denied { wanted: self.held.saturating_add(bytes), limit: self.budget.limit });
        }
        granted
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // What fails anyway must not be charged.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current) as u64))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow((desired.saturating_sub(current) as u64).saturating_mul(ELEMENT_BYTES)))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.budget.give_back(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_share_the_budget_and_give_back_what_they_held() {
        let budget = Budget::new(Some(100));
        let (mut one, mut two) = (Memory::new(budget.clone()), Memory::new(budget.clone()));
        assert!(one.memory_growing(0, 60, None).unwrap());
        assert!(!two.memory_growing(0, 60, None).unwrap());
        assert_eq!(two.denied(), Some(Denied { wanted: 60, limit: 100 }));
        assert!(!two.denied().unwrap().alone());
        drop(one);
        assert_eq!(budget.used(), 0);
        assert!(two.memory_growing(0, 60, None).unwrap());
        assert_eq!(two.denied(), None);
    }

    #[test]
    fn tables_count_and_a_bomb_is_its_own_fault() {
        let mut memory = Memory::new(Budget::new(Some(1000)));
        assert!(memory.table_growing(0, 100, None).unwrap());
        assert!(!memory.table_growing(100, usize::MAX, None).unwrap());
        assert!(memory.denied().unwrap().alone());
    }
}

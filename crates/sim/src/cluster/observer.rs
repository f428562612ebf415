//! Follows the store's log: keeps the world and the trace, and asks the invariants over steps at every write.

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use parking_lot::Mutex;
use sampan_store::{Change, MemoryStore, Revision, Store};
use tokio::time::Instant;

use crate::invariants;
use crate::trace::Trace;
use crate::world::World;

/// What was seen so far.
#[derive(Default)]
pub struct Observed {
    /// The state after the last write seen.
    pub world: World,
    /// All writes and actions.
    pub trace: Trace,
    /// Broken promises, in order.
    pub broken: Vec<String>,
}

impl Observed {
    fn saw(&mut self, change: &Change, began: Instant) {
        self.trace.wrote(began.elapsed(), change);
        let step = self.world.apply(change);
        for (name, why) in invariants::broken_by(&self.world, &step) {
            let broken = format!("{name}: at revision {}: {why}", change.revision.0);
            self.trace.note(began.elapsed(), &broken);
            self.broken.push(broken);
        }
    }
}

/// Sees everything from the first write on.
pub(super) fn start(store: &MemoryStore, began: Instant, directory: &Path) -> Arc<Mutex<Observed>> {
    let observed = Observed { trace: Trace::below(directory), ..Observed::default() };
    let observed = Arc::new(Mutex::new(observed));
    let (mut batches, seen) = (store.changes(Revision(0)), observed.clone());
    tokio::spawn(async move {
        while let Some(Ok(batch)) = batches.next().await {
            let mut seen = seen.lock();
            batch.changes.iter().for_each(|change| seen.saw(change, began));
        }
    });
    observed
}

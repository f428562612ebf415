//! Writes that wait, and the batch made of them.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::pending::{Pending, fits};
use crate::{Durability, Key};

/// How long a batch waits for more while processes fight over the lock.
const CONTENDED_GATHER: Duration = Duration::from_millis(1);

/// One batch: at most one write for each object.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) pending: Vec<Pending>,
    keys: HashSet<Key>,
    bytes: usize,
}

impl Gathered {
    /// A batch of the store's own, or of a single write, that is not to grow.
    pub(super) fn of(pending: Vec<Pending>) -> Self {
        Gathered { pending, ..Gathered::default() }
    }

    pub(super) fn durability(&self) -> Durability {
        let durable = self.pending.iter().any(|pending| pending.durability == Durability::Durable);
        if durable { Durability::Durable } else { Durability::Relaxed }
    }
}

pub(super) struct Queue {
    writes: mpsc::UnboundedReceiver<Pending>,
    /// Writes to objects that the batch before wrote too, in their order.
    put_off: VecDeque<Pending>,
}

impl Queue {
    pub(super) fn new(writes: mpsc::UnboundedReceiver<Pending>) -> Self {
        Queue { writes, put_off: VecDeque::new() }
    }

    /// Lets no more in; what is in is still to be done.
    pub(super) fn close(&mut self) {
        self.writes.close();
    }

    /// Waits for a write, and takes all that wait with it. `None` when there will be no more.
    pub(super) async fn first(&mut self, gathered: &mut Gathered) -> Option<()> {
        let first = self.writes.recv().await?;
        self.put_off.push_back(first);
        self.fill(gathered);
        Some(())
    }

    /// Takes all writes that wait, but one for each object.
    pub(super) fn fill(&mut self, gathered: &mut Gathered) {
        let mut again = VecDeque::new();
        while fits(&gathered.pending, gathered.bytes) {
            let Some(pending) = self.put_off.pop_front().or_else(|| self.writes.try_recv().ok()) else { break };
            if gathered.keys.insert(pending.request.key.clone()) {
                gathered.bytes += pending.request.write.size();
                gathered.pending.push(pending);
            } else {
                again.push_back(pending);
            }
        }
        again.append(&mut self.put_off);
        self.put_off = again;
    }

    /// Waits where nobody is in a hurry, or where many fight for the lock.
    pub(super) async fn wait_for_more(&mut self, gathered: &mut Gathered, gather: Duration, contended: bool) {
        let relaxed = |gathered: &Gathered| gathered.durability() == Durability::Relaxed;
        let patience = match (relaxed(gathered), contended) {
            (true, _) => gather,
            (false, true) => CONTENDED_GATHER,
            (false, false) => return,
        };
        let deadline = Instant::now() + patience;
        while fits(&gathered.pending, gathered.bytes) && (contended || relaxed(gathered)) {
            // A moment of silence means that all who write at present are waiting already.
            let silence = Instant::now() + patience / 5;
            let Ok(Some(pending)) = timeout_at(deadline.min(silence), self.writes.recv()).await else { return };
            self.put_off.push_back(pending);
            self.fill(gathered);
        }
    }
}

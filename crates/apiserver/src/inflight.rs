//! Overload protection: so many requests at once, a short wait for a place, then 429.
//!
//! The numbers are upstream's `--max-requests-inflight` and `--max-mutating-requests-inflight`. Watches, logs and proxies take no
//! place. Nodes have places of their own so that a flood by others does not make them look dead, and `system:masters` need none, so
//! that somebody can always look after an overloaded server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sampan_api::request::{MASTERS, NODES, User};
use sampan_meta::Status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much goes on at once and how long it may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Reads at once.
    pub reads: usize,
    /// Writes at once.
    pub writes: usize,
    /// Requests of nodes at once, reads and writes together.
    pub nodes: usize,
    /// How long a request waits for a place; as many may wait as there are places.
    pub wait: Duration,
    /// How long any request but watches, logs and proxies may take.
    pub request: Duration,
    /// Bytes of a request body.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reads: 400,
            writes: 200,
            nodes: 400,
            wait: Duration::from_secs(1),
            request: Duration::from_secs(60),
            body: 3 * 1024 * 1024,
        }
    }
}

/// The places there are.
pub(crate) struct InFlight {
    reads: Arc<Pool>,
    writes: Arc<Pool>,
    nodes: Arc<Pool>,
    wait: Duration,
}

struct Pool {
    places: Arc<Semaphore>,
    size: usize,
    waiting: AtomicUsize,
}

impl InFlight {
    pub(crate) fn new(limits: &Limits) -> Self {
        let &Limits { reads, writes, nodes, wait, .. } = limits;
        Self { reads: Pool::new(reads), writes: Pool::new(writes), nodes: Pool::new(nodes), wait }
    }

    /// Takes a place until the permit is dropped. `None`: this user needs none.
    pub(crate) async fn enter(&self, user: &User, mutating: bool) -> Result<Option<OwnedSemaphorePermit>, Status> {
        match self.pool(user, mutating) {
            Some(pool) => pool.enter(self.wait).await.map(Some),
            None => Ok(None),
        }
    }

    fn pool(&self, user: &User, mutating: bool) -> Option<Arc<Pool>> {
        let pool = match mutating {
            _ if user.in_group(MASTERS) => return None,
            _ if user.in_group(NODES) => &self.nodes,
            true => &self.writes,
            false => &self.reads,
        };
        Some(Arc::clone(pool))
    }
}

impl Pool {
    fn new(size: usize) -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(size)), size, waiting: AtomicUsize::new(0) })
    }

    async fn enter(self: Arc<Self>, wait: Duration) -> Result<OwnedSemaphorePermit, Status> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Waiting::new(&self.waiting);
        if waiting.before >= self.size {
            return Err(too_many());
        }
        match tokio::time::timeout(wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(too_many()),
        }
    }
}

/// Counts a waiting request, also when its client gives up.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        Self { before: count.fetch_add(1, Ordering::Relaxed), count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn too_many() -> Status {
    Status::too_many_requests("Too many requests, please try again later.", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(group: &str) -> User {
        User { name: "u".into(), groups: vec![group.into()], ..User::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_pool_answers_429_and_spares_masters_nodes_and_readers() {
        let in_flight = InFlight::new(&Limits { writes: 2, ..Limits::default() });
        let one = in_flight.enter(&user("a"), true).await.unwrap();
        let _two = in_flight.enter(&user("a"), true).await.unwrap();
        let refused = in_flight.enter(&user("a"), true).await.unwrap_err();
        assert_eq!((refused.code, refused.details.unwrap().retry_after_seconds), (429, 1));
        assert!(in_flight.enter(&user("system:masters"), true).await.unwrap().is_none());
        assert!(in_flight.enter(&user("system:nodes"), true).await.is_ok());
        assert!(in_flight.enter(&user("a"), false).await.is_ok());
        drop(one);
        assert!(in_flight.enter(&user("a"), true).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_becomes_free_goes_to_who_waits() {
        let in_flight = InFlight::new(&Limits { writes: 1, ..Limits::default() });
        let alice = user("a");
        let first = in_flight.enter(&alice, true).await.unwrap();
        let second = in_flight.enter(&alice, true);
        let (second, ()) = tokio::join!(second, async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            drop(first);
        });
        assert!(second.is_ok());
    }
}

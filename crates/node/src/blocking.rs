//! Work on files, away from the threads that everything else waits for.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinError, spawn_blocking};

/// Does work that may block for as long as a disk takes. On a runtime of one thread (tests, the simulator) it is done in place: there
/// the order in which a pool of threads finishes would decide what the agent does next, and no run could be repeated.
///
/// # Errors
/// When the work panicked, or the runtime is ending.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Ok(work()),
        _ => spawn_blocking(work).await,
    }
}

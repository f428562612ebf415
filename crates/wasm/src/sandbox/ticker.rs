//! The clock that takes the CPU back from guests: it moves the engines' epoch once a millisecond, while guests run and a little
//! longer. When none does it sleeps without a timer, so an idle sandbox does not wake up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::Engine;

/// How long a guest may run before it must let others.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without any guest before the ticker goes to sleep; waking it costs a system call, so not after each request.
const LINGER: u32 = 20;

/// A handle; the thread lives as long as the process.
#[derive(Clone)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    engines: Mutex<Vec<Engine>>,
}

impl Ticker {
    pub(crate) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            engines: Mutex::default(),
        });
        let handle = thread::Builder::new().name("ticker".into()).spawn({
            let shared = shared.clone();
            move || run(&shared)
        })?;
        Ok(Ticker { shared, thread: handle.thread().clone() })
    }

    /// Moves this engine's epoch too.
    pub(crate) fn add(&self, engine: Engine) {
        self.shared.engines.lock().push(engine);
    }

    /// Call around each poll of a guest.
    pub(crate) fn enter(&self) {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    pub(crate) fn leave(&self) {
        self.shared.running.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether it sleeps, for tests.
    #[cfg(test)]
    fn asleep(&self) -> bool {
        self.shared.asleep.load(Ordering::SeqCst)
    }
}

fn run(shared: &Shared) {
    let mut idle = 0;
    loop {
        thread::sleep(TICK);
        for engine in shared.engines.lock().iter() {
            engine.increment_epoch();
        }
        idle = if shared.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
        if idle > LINGER {
            sleep_until_entered(shared);
            idle = 0;
        }
    }
}

fn sleep_until_entered(shared: &Shared) {
    shared.asleep.store(true, Ordering::SeqCst);
    // Whoever enters after this look sees `asleep` and unparks; the token of an unpark before the park is kept.
    while shared.running.load(Ordering::SeqCst) == 0 {
        thread::park();
    }
    shared.asleep.store(false, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for(mut condition: impl FnMut() -> bool) {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !condition() {
            assert!(std::time::Instant::now() < end, "waited in vain");
            thread::yield_now();
        }
    }

    #[test]
    fn it_sleeps_while_no_guest_runs_and_wakes_for_the_next() {
        let ticker = Ticker::start().unwrap();
        wait_for(|| ticker.asleep());
        ticker.enter();
        wait_for(|| !ticker.asleep());
        ticker.leave();
        wait_for(|| ticker.asleep());
    }
}

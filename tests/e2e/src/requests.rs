//! Traffic that goes on while something happens to a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::programs::curl;

/// How long more requests may take to be answered.
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests to one URL, one after the other, each on a connection of its own, until [`end`](Self::end).
pub struct Requests {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Requests {
    /// Starts asking.
    pub fn start(url: &str) -> Self {
        let (stop, answered) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let (stopped, counter, url) = (stop.clone(), answered.clone(), url.to_owned());
        let thread = std::thread::spawn(move || {
            let mut failures = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let output = curl([&url]);
                if output.success {
                    counter.fetch_add(1, Ordering::Relaxed);
                } else {
                    failures.push(output.stderr);
                }
            }
            failures
        });
        Self { stop, answered, thread }
    }

    /// Waits until so many more are answered, each of which was asked after this call but the first.
    #[track_caller]
    pub fn more(&self, count: usize) {
        let (start, enough) = (Instant::now(), self.answered.load(Ordering::Relaxed) + count);
        while self.answered.load(Ordering::Relaxed) < enough {
            assert!(start.elapsed() < PATIENCE, "no {count} answers in {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends and returns what curl said of each that failed.
    pub fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("asking does not panic")
    }
}

//! Runs controllers: their watches, queues and workers.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use sampan_client::{BackoffPolicy, Client, Informers, Recorder, WorkQueue};
use sampan_meta::{Clock, Entropy};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::controller::{Context, Controller, Failure, Key, Next};
use crate::settings::Settings;
use crate::table::Entry;

/// What the controllers need from outside.
pub struct Options {
    /// Gives the client of an identity: [`Entry::identity`], or [`INFORMERS`] for the watches they share.
    pub client: Arc<dyn Fn(&str) -> Client + Send + Sync>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// What the cli decided.
    pub settings: Settings,
}

/// The identity of the shared watches; it needs `get`, `list` and `watch` on everything the controllers watch.
pub const INFORMERS: &str = "kube-controller-manager";

/// Running controllers. Dropping it stops them at once; [`Controllers::stop`] lets what is at work finish.
pub struct Controllers {
    queues: Vec<WorkQueue<Key>>,
    tasks: JoinSet<()>,
    pumps: JoinSet<()>,
}

impl Controllers {
    /// Starts the controllers of the table (usually [`crate::all`]).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(options: &Options, table: &[Entry]) -> Self {
        let informers = Informers::new((options.client)(INFORMERS), options.entropy.clone());
        let settings = Arc::new(options.settings.clone());
        let mut running = Self { queues: Vec::new(), tasks: JoinSet::new(), pumps: JoinSet::new() };
        for entry in table {
            let client = (options.client)(entry.identity);
            let context = Context {
                recorder: Recorder::new(&client, entry.name, "", options.clock.clone(), &options.entropy),
                client,
                informers: informers.clone(),
                clock: options.clock.clone(),
                entropy: options.entropy.clone(),
                settings: settings.clone(),
            };
            running.add(entry.name, (entry.make)(&context), &options.entropy);
        }
        running
    }

    fn add(&mut self, name: &'static str, controller: Arc<dyn Controller>, entropy: &Arc<dyn Entropy>) {
        let queue = WorkQueue::new(BackoffPolicy::RECONCILE, entropy.clone());
        let mut synced = Vec::new();
        for watch in controller.watches() {
            let watch = watch.start(&queue);
            synced.push(watch.synced);
            self.pumps.spawn(watch.pump);
        }
        if let Some(background) = controller.background(&queue) {
            self.pumps.spawn(background);
        }
        let synced = futures::future::join_all(synced).map(|_| ()).shared();
        for _ in 0..controller.workers() {
            let (synced, controller, queue) = (synced.clone(), controller.clone(), queue.clone());
            self.tasks.spawn(async move {
                synced.await;
                work(name, &*controller, &queue).await;
            });
        }
        self.queues.push(queue);
    }

    /// Whether no key is ready or at work: with an unchanging cluster the controllers have settled.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queues.iter().all(WorkQueue::is_idle)
    }

    /// Stops: no new keys are taken, what is at work is finished.
    pub async fn stop(mut self) {
        self.pumps.abort_all();
        self.queues.iter().for_each(WorkQueue::shut_down);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// One worker: takes keys until the queue ends.
async fn work(name: &'static str, controller: &dyn Controller, queue: &WorkQueue<Key>) {
    while let Some(mut key) = queue.next().await {
        let began = Instant::now();
        let outcome = reconcile(controller, &key).await;
        key.rest(rest(began.elapsed()));
        match outcome {
            Ok(next) => {
                queue.forget(&key);
                if let Next::After(delay) = next {
                    queue.add_after((*key).clone(), delay);
                }
            }
            Err(failure) => {
                let delay = queue.add_failed((*key).clone());
                report(name, &key, &failure, delay, queue.failures(&key));
            }
        }
    }
}

/// How long a key that keeps changing is left alone after a reconcile that took so long. A thousand pods that become ready one after
/// another would otherwise have their Service's slices written a thousand times; a lone change never waits.
fn rest(took: Duration) -> Duration {
    const SHARE: u32 = 3;
    const LONGEST: Duration = Duration::from_millis(200);
    (took * SHARE).min(LONGEST)
}

/// Reconciles, with a panic made a failure: it ends this attempt and nothing else.
async fn reconcile(controller: &dyn Controller, key: &Key) -> Result<Next, Failure> {
    let attempt = AssertUnwindSafe(async { controller.reconcile(key).await }).catch_unwind();
    attempt.await.unwrap_or_else(|panic| Err(Failure::Panic(panic_message(&*panic))))
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

/// A first conflict is everyday life; what fails again and again is for a person to read.
fn report(controller: &str, key: &Key, failure: &Failure, delay: Duration, failures: u32) {
    if failure.is_conflict() && failures < 10 {
        tracing::debug!(controller, %key, ?delay, "{failure}");
    } else {
        tracing::warn!(controller, %key, ?delay, failures, "failed to reconcile: {failure}");
    }
}

#[cfg(test)]
mod tests;

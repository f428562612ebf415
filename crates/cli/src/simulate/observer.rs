//! Watches all pods as a bystander and keeps the timeline.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use http::Request;
use parking_lot::Mutex;
use sampan_client::{Client, Error, WatchEvent};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::figures;
use super::pod::Pod;
use super::timeline::{Counts, Timeline};

/// How often progress is told.
const TOLD: Duration = Duration::from_secs(2);
/// How long nothing may happen before a load of unknown size counts as done.
const STILL: Duration = Duration::from_secs(5);

/// The timeline, and the clock it is kept by.
#[derive(Clone)]
pub(super) struct SharedTimeline {
    timeline: Arc<Mutex<Timeline>>,
    began: Instant,
}

impl SharedTimeline {
    pub(super) fn lock(&self) -> parking_lot::MutexGuard<'_, Timeline> {
        self.timeline.lock()
    }

    /// Since the observer began.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

pub(super) struct Observer {
    shared: SharedTimeline,
    counts: watch::Receiver<Result<Counts, String>>,
    tasks: [JoinHandle<()>; 2],
}

/// How waiting ended.
pub(super) enum Outcome {
    AllRun,
    WatchLost(String),
}

impl Observer {
    /// Starts to watch, and to tell of progress.
    pub(super) fn start(client: &Client, note: fn(&str)) -> Self {
        let shared = SharedTimeline { timeline: Arc::default(), began: Instant::now() };
        let (tell, counts) = watch::channel(Ok(Counts::default()));
        let follow = tokio::spawn(follow(client.clone(), shared.clone(), tell));
        let progress = tokio::spawn(tell_progress(shared.clone(), note));
        Self { shared, counts, tasks: [follow, progress] }
    }

    pub(super) fn timeline(&self) -> SharedTimeline {
        self.shared.clone()
    }

    /// Waits until `expected` pods have run or, where that is not known, until nothing has happened for some seconds.
    pub(super) async fn finished(&self, expected: Option<usize>) -> Outcome {
        let mut counts = self.counts.clone();
        loop {
            let now = counts.borrow_and_update().clone();
            match (now, expected) {
                (Err(why), _) => return Outcome::WatchLost(why),
                (Ok(now), Some(expected)) if now.running >= expected => return Outcome::AllRun,
                (Ok(now), None) if now.created > 0 && now.running == now.created => {
                    if tokio::time::timeout(STILL, counts.changed()).await.is_err() {
                        return Outcome::AllRun;
                    }
                }
                _ => {
                    // The sender is the task that follows, and says why before it ends.
                    let _ = counts.changed().await;
                }
            }
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn follow(client: Client, shared: SharedTimeline, tell: watch::Sender<Result<Counts, String>>) {
    let why = match watched(&client, &shared, &tell).await {
        Ok(()) => "the server ended it".to_owned(),
        Err(error) => error.to_string(),
    };
    let _ = tell.send(Err(why));
    // Whoever waits shall see the reason, not that nobody sends any more.
    std::future::pending::<()>().await;
}

async fn watched(
    client: &Client,
    shared: &SharedTimeline,
    tell: &watch::Sender<Result<Counts, String>>,
) -> Result<(), Error> {
    let request = Request::get("/api/v1/pods?watch=true&resourceVersion=0&timeoutSeconds=86400").body(Vec::new());
    let events = client.request_events::<Pod>(request.expect("the path is constant")).await?;
    pin_mut!(events);
    // One look at the clock and one lock for all that have come together.
    let mut batches = events.ready_chunks(256);
    while let Some(batch) = batches.next().await {
        let now = shared.now();
        let mut timeline = shared.lock();
        for event in batch {
            match event? {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => timeline.sees(&pod, now),
                WatchEvent::Error(status) => return Err(Error::Api(status)),
                WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
            }
        }
        let _ = tell.send(Ok(timeline.counts()));
    }
    Ok(())
}

async fn tell_progress(shared: SharedTimeline, note: fn(&str)) {
    let mut before = Counts::default();
    loop {
        tokio::time::sleep(TOLD).await;
        let counts = shared.lock().counts();
        if counts == before {
            continue;
        }
        let Counts { created, bound, running } = counts;
        let (seconds, memory) = (shared.now().as_secs_f64(), figures::memory() >> 20);
        note(&format!("{seconds:6.1} s  {created} created, {bound} bound, {running} running, {memory} MiB"));
        before = counts;
    }
}

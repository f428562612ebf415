//! Carries decisions out: watches the cluster, asks [`place()`] and [`preempt()`], writes bindings.
//!
//! One task owns the queue and the snapshot and decides; what has to be written is written beside it, many at once, and reports back. A pod
//! counts on its node from the decision on, so the next decision already knows.

mod bind;
mod evict;
mod feeds;
mod observe;
mod report;
mod volumes;

use std::sync::Arc;

use sampan_client::{Client, Informers, Recorder};
use sampan_meta::{Clock, Entropy};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::place::{Cursor, Placement, Unschedulable, place};
use crate::plugins::Failure;
use crate::preempt::{Preemption, preempt};
use crate::queue::Queue;
use crate::{Event, PodRequest, Profile, Snapshot};
use bind::Outcome;
use feeds::Feeds;
use report::Writer;

/// Decisions made between two looks at what changed: a burst of pods must not make the snapshot stale.
const DECISIONS_A_TURN: usize = 64;

/// What a scheduler needs.
pub struct Options {
    /// Its identity: `system:kube-scheduler`.
    pub client: Client,
    /// Pods whose `spec.schedulerName` is the name of one of these are its own.
    pub profiles: Vec<Profile>,
    /// For conditions and events.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries of lost watches.
    pub entropy: Arc<dyn Entropy>,
}

/// The scheduler. [`Scheduler::run`] is all it does.
pub struct Scheduler {
    profiles: Vec<Profile>,
    queue: Queue,
    snapshot: Snapshot,
    cursor: Cursor,
    writer: Writer,
}

impl Scheduler {
    /// Schedules until `stop`.
    pub async fn run(options: Options, stop: CancellationToken) {
        let informers = Informers::new(options.client.clone(), options.entropy.clone());
        let recorder = |profile: &Profile| {
            Recorder::new(&options.client, &profile.name, "", options.clock.clone(), &options.entropy)
        };
        let recorders = options.profiles.iter().map(|profile| (profile.name.clone(), recorder(profile))).collect();
        let (outcomes, reports) = mpsc::unbounded_channel();
        let scheduler = Self {
            writer: Writer::new(options.client, informers.of(), recorders, options.clock, outcomes),
            profiles: options.profiles,
            queue: Queue::default(),
            snapshot: Snapshot::default(),
            cursor: Cursor::default(),
        };
        // Deciding before everything bound is known would give the same room away twice.
        let feeds = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            feeds = Feeds::start(&informers, reports) => feeds,
        };
        scheduler.follow(feeds, stop).await;
    }

    async fn follow(mut self, mut feeds: Feeds, stop: CancellationToken) {
        loop {
            while let Some(change) = feeds.waiting() {
                self.observe(change);
            }
            let more = self.decide();
            let due = self.queue.next_due();
            // What waits is taken at each turn, so a fixed order starves nobody, and a simulated cluster takes the same path twice.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = std::future::ready(()), if more => tokio::task::yield_now().await,
                Some(change) = feeds.next() => self.observe(change),
                () = sleep_until(due), if due.is_some() => {}
            }
        }
    }

    /// Decides on a few pods. Returns whether some are left.
    fn decide(&mut self) -> bool {
        for _ in 0..DECISIONS_A_TURN {
            let Some(pod) = self.queue.pop(Instant::now()) else { return false };
            let Some(profile) = profile_of(&self.profiles, &pod) else { continue };
            match place(&pod, &mut self.snapshot, profile, &mut self.cursor) {
                Ok(placement) => self.assume(pod, placement),
                Err(Unschedulable { failure: Some(failure), .. }) => self.undecided(&pod, &failure),
                Err(failure) => self.make_room(&pod, failure),
            }
        }
        true
    }

    fn assume(&mut self, pod: Arc<PodRequest>, placement: Placement) {
        self.snapshot.storage.assume(&pod, &placement.node, &placement.volumes);
        self.snapshot.place(pod.clone(), &placement.node);
        self.writer.bind(pod, placement);
    }

    /// A plugin could not say where the pod may go: it is tried again later and later, whatever happens meanwhile.
    fn undecided(&mut self, pod: &Arc<PodRequest>, failure: &Failure) {
        tracing::warn!(pod = %pod.name, %failure, "failed to decide where a pod runs");
        self.queue.retry(&pod.uid);
        let nomination = self.snapshot.nomination(&pod.uid).or_else(|| pod.nominated());
        self.writer.report_unschedulable(pod, "SchedulerError", failure.to_string(), nomination);
    }

    /// The pod fits nowhere: less important ones may have to go.
    fn make_room(&mut self, pod: &Arc<PodRequest>, mut failure: Unschedulable) {
        let Some(profile) = profile_of(&self.profiles, pod) else { return };
        let mut nomination = self.snapshot.nomination(&pod.uid).or_else(|| pod.nominated()).map(str::to_owned);
        if failure.nodes > 0 {
            match preempt(pod, &mut self.snapshot, profile, &failure, self.cursor) {
                Ok(preemption) => nomination = Some(self.evict(pod, preemption)),
                Err(no_room) => {
                    failure.preemption = Some(no_room.message);
                    nomination = nomination.filter(|_| !no_room.gives_up);
                }
            }
        }
        match &nomination {
            Some(node) => self.snapshot.nominate(pod.clone(), node),
            None => drop(self.snapshot.forget_nomination(&pod.uid)),
        }
        self.queue.wait(&pod.uid, failure.plugins);
        self.writer.report_unschedulable(pod, "Unschedulable", failure.message(), nomination.as_deref());
    }

    /// Sends the victims away and returns the node.
    fn evict(&mut self, pod: &Arc<PodRequest>, preemption: Preemption) -> String {
        for displaced in &preemption.displaced {
            self.snapshot.forget_nomination(&displaced.uid);
            self.queue.activate_waiting(&displaced.uid);
            self.writer.clear_nomination(displaced);
        }
        self.writer.evict(pod, &preemption);
        preemption.node
    }

    fn done(&mut self, outcome: Outcome) {
        if let Outcome::Bound { uid } | Outcome::Gone { uid } | Outcome::Failed { uid } = &outcome {
            self.snapshot.storage.forget(uid);
        }
        match outcome {
            // The watch tells of the pod as bound; until then it counts as assumed.
            Outcome::Bound { uid } => drop(self.queue.remove(&uid)),
            Outcome::Gone { uid } => {
                self.queue.remove(&uid);
                self.freed(&uid);
            }
            Outcome::Failed { uid } => {
                self.queue.retry(&uid);
                self.freed(&uid);
            }
            Outcome::NoRoomMade { uid } => self.queue.activate_waiting(&uid),
        }
    }

    /// A pod is on its node no longer.
    fn freed(&mut self, uid: &str) {
        if let Some((pod, _)) = self.snapshot.remove(uid) {
            wake(&mut self.queue, &self.profiles, &Event::PodGone(&pod));
        }
    }
}

/// Tells those who wait what happened.
fn wake(queue: &mut Queue, profiles: &[Profile], event: &Event<'_>) {
    if queue.nobody_waits() {
        return;
    }
    queue.wake(|pod, refused_by| {
        // Where there was no node, nobody refused the pod: the first to come is worth a look.
        if refused_by == 0 {
            return matches!(event, Event::NodeCame(_));
        }
        let profile = profile_of(profiles, pod);
        profile.is_some_and(|profile| profile.members(refused_by).any(|plugin| plugin.helps(pod, event)))
    });
}

fn profile_of<'a>(profiles: &'a [Profile], pod: &PodRequest) -> Option<&'a Profile> {
    profiles.iter().find(|profile| profile.name == pod.scheduler_name())
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;

//! Carries decisions out: watches pods and nodes, asks [`place()`], writes bindings.
//!
//! One task owns the queue and the snapshot and decides; bindings are written beside it, many at once, and report back. A pod counts on
//! its node from the decision on, so the next decision already knows.

mod bind;

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Node, Pod};
use sampan_client::{Change, Client, Informer, Informers, Recorder, Subscription};
use sampan_meta::{Clock, Entropy};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::place::{Placement, Unschedulable, place};
use crate::plugins::{self, Hint, Plugin};
use crate::queue::Queue;
use crate::{PodRequest, Snapshot};
use bind::{Binder, Outcome};

/// Decisions made between two looks at what changed: a burst of pods must not make the snapshot stale.
const DECISIONS_A_TURN: usize = 64;

/// What a scheduler needs.
pub struct Options {
    /// Its identity: `system:kube-scheduler`.
    pub client: Client,
    /// Pods whose `spec.schedulerName` says so are its own.
    pub scheduler_name: String,
    /// For conditions and events.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries of lost watches.
    pub entropy: Arc<dyn Entropy>,
}

/// The scheduler. [`Scheduler::run`] is all it does.
pub struct Scheduler {
    scheduler_name: String,
    plugins: Vec<Box<dyn Plugin>>,
    queue: Queue,
    snapshot: Snapshot,
    binder: Binder,
    turn: usize,
}

impl Scheduler {
    /// Schedules until `stop`.
    pub async fn run(options: Options, stop: CancellationToken) {
        let informers = Informers::new(options.client.clone(), options.entropy.clone());
        let recorder =
            Recorder::new(&options.client, &options.scheduler_name, "", options.clock.clone(), &options.entropy);
        let (outcomes, reports) = mpsc::unbounded_channel();
        let scheduler = Self {
            binder: Binder::new(options.client, recorder, options.clock, outcomes),
            scheduler_name: options.scheduler_name,
            plugins: plugins::all(),
            queue: Queue::default(),
            snapshot: Snapshot::default(),
            turn: 0,
        };
        scheduler.follow(informers.of::<Pod>(), informers.of::<Node>(), reports, stop).await;
    }

    async fn follow(
        mut self,
        pods: Informer<Pod>,
        nodes: Informer<Node>,
        mut reports: mpsc::UnboundedReceiver<Outcome>,
        stop: CancellationToken,
    ) {
        // Deciding before everything bound is known would give the same room away twice.
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ((), ()) = async { tokio::join!(pods.synced(), nodes.synced()) } => {}
        }
        let (mut pods, mut nodes) = (pods.subscribe(), nodes.subscribe());
        loop {
            self.take_waiting(&mut pods, &mut nodes, &mut reports);
            let more = self.decide();
            let due = self.queue.next_due();
            // What waits is taken at each turn, so a fixed order starves nobody, and a simulated cluster takes the same path twice.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = std::future::ready(()), if more => tokio::task::yield_now().await,
                Some(change) = pods.next() => self.pod_changed(&change),
                Some(change) = nodes.next() => self.node_changed(&change),
                Some(outcome) = reports.recv() => self.bound(outcome),
                () = sleep_until(due), if due.is_some() => {}
            }
        }
    }

    fn take_waiting(
        &mut self,
        pods: &mut Subscription<Pod>,
        nodes: &mut Subscription<Node>,
        reports: &mut mpsc::UnboundedReceiver<Outcome>,
    ) {
        while let Some(change) = nodes.try_next() {
            self.node_changed(&change);
        }
        while let Some(change) = pods.try_next() {
            self.pod_changed(&change);
        }
        while let Ok(outcome) = reports.try_recv() {
            self.bound(outcome);
        }
    }

    /// Decides on a few pods. Returns whether some are left.
    fn decide(&mut self) -> bool {
        for _ in 0..DECISIONS_A_TURN {
            let Some(pod) = self.queue.pop(Instant::now()) else { return false };
            self.turn = self.turn.wrapping_add(1);
            match place(&pod, &self.snapshot, &self.plugins, self.turn) {
                Ok(placement) => self.assume(pod, placement),
                Err(unschedulable) => self.refuse(&pod, &unschedulable),
            }
        }
        true
    }

    fn assume(&mut self, pod: Arc<PodRequest>, placement: Placement) {
        self.snapshot.place(pod.clone(), &placement.node);
        self.binder.bind(pod, placement.node);
    }

    fn refuse(&mut self, pod: &PodRequest, why: &Unschedulable) {
        self.queue.wait_for(&pod.uid, why.hints.clone());
        self.binder.report_unschedulable(pod, why.message());
    }

    fn bound(&mut self, outcome: Outcome) {
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
        }
    }

    fn freed(&mut self, uid: &str) {
        if self.snapshot.remove(uid).is_some() {
            self.queue.happened(Hint::PodGone);
        }
    }

    fn pod_changed(&mut self, change: &Change<Pod>) {
        let uid = change.object().metadata.uid.clone().unwrap_or_default();
        match &change.new {
            Some(pod) if !has_ended(pod) => self.pod_is(pod, &uid),
            _ => {
                self.queue.remove(&uid);
                self.freed(&uid);
            }
        }
    }

    fn pod_is(&mut self, pod: &Arc<Pod>, uid: &str) {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).filter(|node| !node.is_empty());
        match node {
            Some(node) => {
                self.queue.remove(uid);
                self.snapshot.place(Arc::new(PodRequest::new(pod.clone())), &node);
            }
            None if self.is_ours(pod) => {
                if !self.snapshot.is_placed(uid) {
                    self.queue.add(Arc::new(PodRequest::new(pod.clone())));
                }
            }
            None => drop(self.queue.remove(uid)),
        }
    }

    /// A pod for this scheduler that may be bound now: not being deleted, no gates left.
    fn is_ours(&self, pod: &Pod) -> bool {
        let Some(spec) = &pod.spec else { return false };
        spec.scheduler_name.as_deref().unwrap_or("default-scheduler") == self.scheduler_name
            && pod.metadata.deletion_timestamp.is_none()
            && spec.scheduling_gates.as_ref().is_none_or(Vec::is_empty)
    }

    fn node_changed(&mut self, change: &Change<Node>) {
        let Some(node) = &change.new else {
            return self.snapshot.remove_node(change.object().metadata.name.as_deref().unwrap_or_default());
        };
        self.snapshot.set_node(node.clone());
        if change.old.as_ref().is_none_or(|old| matters(old, node)) {
            self.queue.happened(Hint::Node);
        }
    }
}

/// Whether anything changed that a plugin looks at; heartbeats do not.
fn matters(old: &Node, new: &Node) -> bool {
    let allocatable = |node: &Node| node.status.as_ref().and_then(|status| status.allocatable.clone());
    old.metadata.labels != new.metadata.labels || old.spec != new.spec || allocatable(old) != allocatable(new)
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

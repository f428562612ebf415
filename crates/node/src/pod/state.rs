//! What the agent knows of a pod it runs.

mod run;
mod step;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use sampan_runtime::Image;

pub use run::{Condemned, Health, Run, RunExit, RunPhase};
pub use step::{Due, FIRST_BACKOFF, Failure, MAX_BACKOFF, Step, later};

/// Everything a plan is made from, beside the pod's specification.
#[derive(Clone, Debug, PartialEq)]
pub struct PodState {
    /// When the agent first saw the pod: `status.startTime`.
    pub since: Timestamp,
    /// Volumes on the node's disk.
    pub volumes: Step,
    /// When the volumes want to be looked at again (a token that ages).
    pub refresh_volumes_at: Option<Timestamp>,
    /// The node has several runtimes: until one of the pod's images is there, or its RuntimeClass is known, nobody can tell which of
    /// them runs the pod.
    pub chooses: bool,
    /// The pod's network.
    pub network: Step,
    /// The pod's address, once it has one.
    pub address: Option<IpAddr>,
    /// How many sandboxes the pod had before this one.
    pub attempt: u32,
    /// Runtimes (by position) in which the pod has a sandbox.
    pub sandboxes: BTreeSet<usize>,
    /// A sandbox's process is gone: everything begins anew.
    pub lost: bool,
    /// Containers by name, init containers included. They are few and large: a `BTreeMap` would make room for eleven in every pod.
    pub containers: IndexMap<String, ContainerState>,
    /// The pod is to end, or has ended.
    pub ending: Option<Ending>,
    /// `spec.activeDeadlineSeconds` passed, whatever else happened since.
    pub deadline_exceeded: bool,
    /// Why the node evicted the pod, if it did.
    pub evicted: Option<Eviction>,
    /// Closing sandboxes and giving the address back, once everything ended.
    pub tear_down: Step,
    /// Deleting the pod from the apiserver, the very last thing.
    pub deletion: Step,
}

impl PodState {
    /// A pod seen for the first time.
    pub fn new(now: Timestamp) -> Self {
        Self {
            since: now,
            volumes: Step::Idle,
            refresh_volumes_at: None,
            chooses: false,
            network: Step::Idle,
            address: None,
            attempt: 0,
            sandboxes: BTreeSet::new(),
            lost: false,
            containers: IndexMap::new(),
            ending: None,
            deadline_exceeded: false,
            evicted: None,
            tear_down: Step::Idle,
            deletion: Step::Idle,
        }
    }

    /// The container of that name; one never heard of if it is new.
    pub fn container(&mut self, name: &str) -> &mut ContainerState {
        self.containers.entry(name.to_owned()).or_default()
    }

    /// The pod has ended for good, all of it is closed.
    pub fn is_finished(&self) -> bool {
        self.ending.is_some() && self.tear_down == Step::Done
    }
}

/// One container of the pod, over all its restarts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerState {
    /// The image for the next start.
    pub image: ImageState,
    /// The latest run.
    pub current: Option<Run>,
    /// The run before: `lastState`.
    pub previous: Option<Run>,
    /// The number the next run gets when there is no current one.
    pub next_attempt: u32,
    /// A start is under way.
    pub starting: bool,
    /// A stop is under way, to be over by then.
    pub stopping: Option<Timestamp>,
    /// Why the last start did not come about.
    pub failure: Option<Failure>,
    /// How long the next restart waits.
    pub backoff: Option<CrashBackoff>,
    /// The wait has been announced: status says `…BackOff`.
    pub backing_off: bool,
    /// What probes found in the current run.
    pub health: Health,
}

/// How long a failed pull is shown as such before it is shown as waiting.
const ANNOUNCE_AFTER: Duration = Duration::from_secs(2);

impl ContainerState {
    /// The number of the next run, which is also how often it was restarted by then.
    pub fn next_run(&self) -> u32 {
        self.current.as_ref().map_or(self.next_attempt, |run| run.attempt + 1)
    }

    /// Running now.
    pub fn is_running(&self) -> bool {
        matches!(self.current, Some(Run { phase: RunPhase::Running { .. }, .. }))
    }

    /// The exit of the current run, if it has ended.
    pub fn exit(&self) -> Option<&RunExit> {
        match &self.current.as_ref()?.phase {
            RunPhase::Exited(exit) => Some(exit),
            _ => None,
        }
    }

    /// When crash-loop backoff lets it start again.
    pub fn backoff_until(&self) -> Option<Timestamp> {
        Some(later(self.exit()?.finished_at, self.backoff.as_ref()?.delay))
    }

    /// When a wait that has not been announced is to be.
    pub fn back_off_due(&self, now: Timestamp) -> Due {
        if self.backing_off {
            return Due::Never;
        }
        if self.backoff_until().is_some_and(|until| until > now) {
            return Due::Now;
        }
        match &self.image {
            ImageState::Failed(failure) if failure.reason == "ErrImagePull" => {
                let due = later(failure.failed_at(), ANNOUNCE_AFTER);
                if due <= now { Due::Now } else { Due::At(due) }
            }
            _ => Due::Never,
        }
    }

    /// A start begins now: a restart lengthens the wait of the next one.
    pub fn begin_start(&mut self, now: Timestamp) {
        self.starting = true;
        self.backing_off = false;
        if self.exit().is_some() {
            self.backoff = Some(CrashBackoff::next(self.backoff.as_ref(), now));
        }
    }

    /// The current run, if any, becomes the one before.
    pub fn retire(&mut self) {
        if let Some(run) = self.current.take() {
            self.next_attempt = run.attempt + 1;
            self.previous = Some(run);
        }
        self.health = Health::default();
    }
}

/// How long a crashing container waits; kept while it crashes, forgotten after ten minutes without a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashBackoff {
    /// From the last exit to the next start.
    pub delay: Duration,
    /// The last restart.
    pub updated: Timestamp,
}

impl CrashBackoff {
    fn next(before: Option<&Self>, now: Timestamp) -> Self {
        let recent = before.filter(|before| now <= later(before.updated, MAX_BACKOFF * 2));
        let delay = recent.map_or(FIRST_BACKOFF, |before| (before.delay * 2).min(MAX_BACKOFF));
        Self { delay, updated: now }
    }
}

/// What is known of a container's image.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ImageState {
    /// To be looked for.
    #[default]
    Unknown,
    /// Being looked for or pulled.
    Pulling {
        /// The failure that this attempt follows.
        after: Option<Failure>,
    },
    /// On the node.
    Ready(ReadyImage),
    /// Not to be had.
    Failed(Failure),
}

/// An image and who runs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadyImage {
    /// Position of the runtime that took it.
    pub runtime: usize,
    /// The image.
    pub image: Image,
}

/// A pod on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub why: Why,
    /// When its containers are killed.
    pub deadline: Timestamp,
}

/// Why and how a node evicts a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// For the pod's status: `Evicted`, `Terminated`.
    pub reason: &'static str,
    /// For the pod's status.
    pub message: String,
    /// How long it has at most.
    pub grace: Duration,
    /// The pod is not to blame: its status gets the condition `DisruptionTarget`.
    pub disruption: bool,
}

/// Why a pod ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// All its containers have done what they had to.
    Done,
    /// `spec.activeDeadlineSeconds` has passed.
    DeadlineExceeded,
    /// The node runs short, or the pod took more than it may.
    Evicted,
    /// Somebody deleted it: the object waits for this node to let go.
    Deleted,
    /// The object is gone already.
    Gone,
}

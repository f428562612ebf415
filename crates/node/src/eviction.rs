//! Node-pressure eviction: when the machine runs short, the pod that least deserves to stay goes, before the kernel picks one. And pods
//! that use more disk than they said they would go too.
//!
//! As pkg/kubelet/eviction: [`watch`] remembers what was seen and decides which thresholds act, [`rank`] orders the pods, [`local`] finds
//! those over their own limits; all three are pure. The machine is looked at every ten seconds, and not at all without thresholds.

mod disk;
mod local;
mod rank;
mod threshold;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::{ObjectReference, Pod};
use sampan_client::EventType;

use crate::context::Context;
use crate::pod::facts;
use crate::pod::state::Eviction as PodEviction;
use crate::pod::workers::Workers;
use crate::usage;
use rank::Candidate;
use threshold::{Observation, Resource};
use watch::Watch;

pub(crate) use rank::is_critical;
pub use threshold::{Amount, Flags as EvictionFlags, Signal, Threshold};

/// In statuses and events.
const REASON: &str = "Evicted";
/// Between two looks at the machine, as the kubelet's `evictionMonitoringPeriod`.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long a pod has when a hard threshold is met, or its own limit.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How long the next pod waits for the one before to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// When pods are evicted. The default evicts nobody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Eviction {
    /// What must not run short.
    pub thresholds: Vec<Threshold>,
    /// How long a pressure is reported after it was seen last.
    pub transition: Duration,
    /// The longest a pod has when a soft threshold is met.
    pub most_grace: Duration,
    /// Where images lie; the file system of `imagefs.available`.
    pub images: PathBuf,
    /// Whether pods over their own limits of disk (`emptyDir.sizeLimit`, `ephemeral-storage`) go.
    pub local_limits: bool,
}

/// What the node is short of, as a condition of the Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    Memory,
    Disk,
    Pid,
}

/// Looks at the machine for ever.
pub(crate) async fn run(eviction: Eviction, context: Arc<Context>, workers: Workers) {
    if eviction.thresholds.is_empty() && !eviction.local_limits {
        return;
    }
    let mut watch = Watch::default();
    // Not at once: what ran before the agent did is taken back first.
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let evicted = look(&eviction, &context, &workers, &mut watch).await;
        gone(&workers, &evicted).await;
    }
}

/// One look; answers whom it evicted.
async fn look(eviction: &Eviction, context: &Context, workers: &Workers, watch: &mut Watch) -> Vec<String> {
    let observations = observe(eviction, context).await;
    let seen = watch.look(eviction, &observations, context.now());
    context.condition.send_if_modified(|condition| {
        let changed = condition.pressures != seen.pressures;
        condition.pressures = seen.pressures;
        changed
    });
    if eviction.local_limits {
        let evicted = over_their_limits(context, workers).await;
        if !evicted.is_empty() {
            return evicted;
        }
    }
    let Some(threshold) = seen.acting.first() else { return Vec::new() };
    let Some(observation) = observations.get(&threshold.signal) else { return Vec::new() };
    let resource = threshold.signal.resource();
    context.recorder.event(
        &node_reference(context),
        EventType::Warning,
        "EvictionThresholdMet",
        format!("Attempting to reclaim {}", resource.name()),
    );
    let mut candidates = candidates(context, workers, resource).await;
    rank::rank(resource, &mut candidates);
    // One at a time: what the next look finds may be enough.
    let Some(candidate) = candidates.into_iter().find(|candidate| !candidate.critical) else {
        tracing::warn!(resource = resource.name(), "the node runs short, and there is no pod to evict");
        return Vec::new();
    };
    let message = rank::message(resource, &candidate, &threshold.describe(observation));
    let grace = if threshold.grace.is_zero() { AT_ONCE } else { eviction.most_grace.max(AT_ONCE) };
    evict(context, workers, &candidate.pod, PodEviction { reason: REASON, message, grace, disruption: true });
    vec![facts::uid(&candidate.pod).to_owned()]
}

fn evict(context: &Context, workers: &Workers, pod: &Arc<Pod>, eviction: PodEviction) {
    tracing::info!(pod = facts::full_name(pod), why = eviction.message, "a pod is evicted");
    context.event(pod, None, EventType::Warning, REASON, &eviction.message);
    workers.evict(facts::uid(pod), eviction);
}

/// The node as events name it: the kubelet gives its name for its UID.
fn node_reference(context: &Context) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(context.node_name.clone()),
        uid: Some(context.node_name.clone()),
        ..ObjectReference::default()
    }
}

/// What there is of everything a threshold asks about. What cannot be read is left out, with a line.
async fn observe(eviction: &Eviction, context: &Context) -> BTreeMap<Signal, Observation> {
    let wanted: BTreeSet<Signal> = eviction.thresholds.iter().map(|threshold| threshold.signal).collect();
    let (machine, pods, images) = (context.machine.clone(), context.directories.pods(), eviction.images.clone());
    let read = crate::blocking::run(move || {
        let look = |signal: Signal| (signal, threshold::observe(signal, &machine, &pods, &images));
        wanted.into_iter().map(look).collect::<Vec<_>>()
    });
    let mut observations = BTreeMap::new();
    for (signal, observed) in read.await.unwrap_or_default() {
        match observed {
            Ok(Some(observation)) => drop(observations.insert(signal, observation)),
            Ok(None) => {}
            Err(error) => tracing::warn!(signal = signal.name(), %error, "a threshold of eviction cannot be watched"),
        }
    }
    observations
}

/// Evicts every pod that uses more disk than it may.
async fn over_their_limits(context: &Context, workers: &Workers) -> Vec<String> {
    let mut evicted = Vec::new();
    for view in workers.views() {
        if facts::is_terminal(&view.pod)
            || view.status.phase.as_deref() != Some("Running")
            || !local::is_limited(&view.pod)
        {
            continue;
        }
        let used = disk::used(context, &view).await;
        let Some(message) = local::exceeded(&view.pod, &used) else { continue };
        evict(context, workers, &view.pod, PodEviction { reason: REASON, message, grace: AT_ONCE, disruption: false });
        evicted.push(facts::uid(&view.pod).to_owned());
    }
    evicted
}

async fn candidates(context: &Context, workers: &Workers, resource: Resource) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for pod in usage::pods(context, workers).await {
        if matches!(pod.view.status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            continue;
        }
        let used = match resource {
            Resource::EphemeralStorage | Resource::Inodes => Some(disk::used(context, &pod.view).await),
            Resource::Memory | Resource::Pids => None,
        };
        candidates.push(Candidate::new(&pod, used));
    }
    candidates
}

/// Waits until the evicted are gone, for a while: what they used is not free before.
async fn gone(workers: &Workers, evicted: &[String]) {
    let all = async {
        for uid in evicted {
            workers.ended(uid).await;
        }
    };
    let _for_a_while = tokio::time::timeout(GONE_WITHIN, all).await;
}

//! Writing pods' statuses: only what changed, the newest state only, many pods side by side.

mod patch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::{Pod, PodStatus};
use sampan_client::{Backoff, BackoffPolicy, Client, Patch, error, unread};
use sampan_meta::Entropy;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

/// How many patches may be under way at once.
const IN_FLIGHT: usize = 64;

/// How long a pod that is only being made is not told of. A Wasm pod runs within milliseconds: what it was before is then never written.
const MAKING: Duration = Duration::from_millis(250);

/// How long a pod that runs for the first time is not told of while its readiness is being asked for. With these two a pod's way to
/// Ready is one write, not three.
const ASKING: Duration = Duration::from_millis(100);

pub(crate) struct StatusWriter {
    client: Client,
    entropy: Arc<dyn Entropy>,
    permits: Semaphore,
    pods: Mutex<BTreeMap<String, Entry>>,
    written: AtomicU64,
}

struct Entry {
    namespace: String,
    name: String,
    /// The UID the server knows the pod by: another one for a static pod's mirror.
    uid: String,
    /// What the server has, as far as we know.
    written: Arc<PodStatus>,
    /// The pod's revision after our last write: what the watch tells of older ones is history.
    revision: u64,
    /// What it shall have.
    wanted: Option<Arc<PodStatus>>,
    busy: bool,
    /// Until when the writer waits for something better to tell; who clears this writes.
    pausing: Option<Instant>,
    /// Newer pods that the watch told of while a write was under way: its own, and those of others.
    heard: Vec<Arc<Pod>>,
    waiting: Vec<oneshot::Sender<()>>,
}

/// What a status is about to be followed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    Unknown,
    /// A readiness probe was just begun.
    Readiness,
}

impl StatusWriter {
    pub(crate) fn new(client: Client, entropy: Arc<dyn Entropy>) -> Self {
        Self { client, entropy, permits: Semaphore::new(IN_FLIGHT), pods: Mutex::default(), written: AtomicU64::new(0) }
    }

    /// Statuses written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Has `status` written for the pod, replacing what still waits. The pod's own status is what the server is taken to have at first.
    pub(crate) fn submit(self: &Arc<Self>, pod: &Pod, status: Arc<PodStatus>, outlook: Outlook) {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let mut pods = self.pods.lock();
        let entry = pods.entry(uid.clone()).or_insert_with(|| Entry::new(pod, uid.clone()));
        let pause = patience(&entry.written, &status, outlook).map(|pause| Instant::now() + pause);
        entry.wanted = Some(status);
        match pause {
            _ if entry.busy && entry.pausing.is_none() => {}
            None => {
                (entry.busy, entry.pausing) = (true, None);
                tokio::spawn(self.clone().write(uid));
            }
            Some(until) if entry.pausing.is_none_or(|pausing| until < pausing) => {
                (entry.busy, entry.pausing) = (true, Some(until));
                tokio::spawn(self.clone().write_at(uid, until));
            }
            Some(_) => {}
        }
    }

    /// Writes after a pause, unless something that could not wait as long has been written meanwhile.
    async fn write_at(self: Arc<Self>, uid: String, until: Instant) {
        tokio::time::sleep_until(until).await;
        let still = {
            let mut pods = self.pods.lock();
            let entry = pods.get_mut(&uid).filter(|entry| entry.pausing == Some(until));
            entry.map(|entry| entry.pausing = None).is_some()
        };
        if still {
            self.write(uid).await;
        }
    }

    /// Compares what the server has now with what was said last, and says it again where somebody else wrote over it: the node
    /// lifecycle controller marks pods of a silent node unready, and only the node can know that they are not (upstream's
    /// `status_manager.needsReconcile`).
    pub(crate) fn observe(self: &Arc<Self>, pod: &Arc<Pod>, said: &Arc<PodStatus>) {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        {
            let mut pods = self.pods.lock();
            let Some(entry) = pods.get_mut(uid).filter(|entry| revision(pod) > entry.revision) else { return };
            if entry.busy {
                entry.heard.push(pod.clone());
                return;
            }
            entry.written = Arc::new(pod.status.clone().unwrap_or_default());
            if patch::patch(&entry.written, said, &entry.uid).is_none() {
                return;
            }
        }
        self.submit(pod, said.clone(), Outlook::Unknown);
    }

    /// Waits until nothing waits to be written for the pod.
    pub(crate) async fn flushed(&self, uid: &str) {
        let waiting = {
            let mut pods = self.pods.lock();
            let Some(entry) = pods.get_mut(uid).filter(|entry| entry.busy) else { return };
            let (sender, receiver) = oneshot::channel();
            entry.waiting.push(sender);
            receiver
        };
        let _forgotten_meanwhile = waiting.await;
    }

    /// Writes nothing more for the pod.
    pub(crate) fn forget(&self, uid: &str) {
        self.pods.lock().remove(uid);
    }

    async fn write(self: Arc<Self>, uid: String) {
        let mut backoff = Backoff::new(BackoffPolicy::WATCH, self.entropy.clone());
        while let Some((entry, wanted, patch)) = self.next(&uid) {
            let Some(patch) = patch else {
                self.done(&uid, wanted);
                continue;
            };
            let permit = self.permits.acquire().await.expect("never closed");
            let answer = unread::patch_status::<Pod>(&self.client, &entry.0, &entry.1, &Patch::Strategic(patch)).await;
            drop(permit);
            match answer {
                Ok(revision) => {
                    self.written.fetch_add(1, Ordering::Relaxed);
                    backoff.succeeded();
                    self.reached(&uid, revision, wanted);
                }
                // The pod is gone, or another one has its name: nobody is to hear of this one any more.
                Err(failed) if error::is_not_found(&failed) || error::is_conflict(&failed) => self.done(&uid, wanted),
                Err(failed) => {
                    let why = error::message(&failed);
                    tracing::warn!(
                        pod = format!("{}/{}", entry.0, entry.1),
                        why,
                        "failed to write a pod's status; it is tried again"
                    );
                    tokio::time::sleep(backoff.failed()).await;
                }
            }
        }
    }

    /// The next thing to write: namespace and name, status, patch. `None` ends the writing.
    #[allow(clippy::type_complexity)] // Read at its one caller.
    fn next(&self, uid: &str) -> Option<((String, String), Arc<PodStatus>, Option<serde_json::Value>)> {
        let mut pods = self.pods.lock();
        let entry = pods.get_mut(uid)?;
        let Some(wanted) = entry.wanted.clone() else {
            entry.busy = false;
            for waiting in entry.waiting.drain(..) {
                let _waits_no_more = waiting.send(());
            }
            return None;
        };
        let patch = patch::patch(&entry.written, &wanted, &entry.uid);
        Some(((entry.namespace.clone(), entry.name.clone()), wanted, patch))
    }

    /// `said` is written, as this revision. If somebody else wrote into the status meanwhile, what they overwrote is said once more.
    fn reached(&self, uid: &str, revision: u64, said: Arc<PodStatus>) {
        let mut pods = self.pods.lock();
        let Some(entry) = pods.get_mut(uid) else { return };
        let before = entry.written.clone();
        entry.wrote(said.clone());
        entry.revision = revision;
        let heard = std::mem::take(&mut entry.heard);
        let Some(others) = heard.into_iter().rev().find(|pod| self::revision(pod) != revision) else { return };
        let theirs = Arc::new(others.status.clone().unwrap_or_default());
        if self::revision(&others) > revision || patch::patch(&before, &theirs, &entry.uid).is_some() {
            entry.written = theirs;
            entry.wanted.get_or_insert(said);
        }
    }

    fn done(&self, uid: &str, status: Arc<PodStatus>) {
        if let Some(entry) = self.pods.lock().get_mut(uid) {
            entry.wrote(status);
        }
    }
}

impl Entry {
    fn new(pod: &Pod, uid: String) -> Self {
        Self {
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            name: pod.metadata.name.clone().unwrap_or_default(),
            uid,
            written: Arc::new(pod.status.clone().unwrap_or_default()),
            revision: 0,
            wanted: None,
            busy: false,
            pausing: None,
            heard: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn wrote(&mut self, status: Arc<PodStatus>) {
        if self.wanted.as_ref().is_some_and(|wanted| Arc::ptr_eq(wanted, &status)) {
            self.wanted = None;
        }
        self.written = status;
    }
}

/// How long a status may wait for one that says more.
fn patience(written: &PodStatus, status: &PodStatus, outlook: Outlook) -> Option<Duration> {
    let is = |status: &PodStatus, phase: &str| status.phase.as_deref() == Some(phase);
    if is_passing(status) {
        return Some(MAKING);
    }
    let first = outlook == Outlook::Readiness && is(written, "Pending") && is(status, "Running");
    (first && !is_ready(status)).then_some(ASKING)
}

fn is_ready(status: &PodStatus) -> bool {
    status.conditions.iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether the status says no more than that the pod is being made.
fn is_passing(status: &PodStatus) -> bool {
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let mut waiting = containers.map(|container| container.state.as_ref().and_then(|state| state.waiting.as_ref()));
    let being_made = |reason: Option<&str>| matches!(reason, Some("ContainerCreating" | "PodInitializing"));
    status.phase.as_deref() == Some("Pending")
        && waiting.all(|waiting| waiting.is_some_and(|waiting| being_made(waiting.reason.as_deref())))
}

fn revision(pod: &Pod) -> u64 {
    pod.metadata.resource_version.as_deref().and_then(|revision| revision.parse().ok()).unwrap_or_default()
}

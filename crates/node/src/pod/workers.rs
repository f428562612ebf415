//! All pods of the node: one worker each, found by UID.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::{Pod, PodStatus};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::facts;
use super::mailbox::Mailbox;
use super::state::Eviction;
use super::worker::Worker;
use crate::context::Context;

/// The workers of one agent. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Workers {
    inner: Arc<Inner>,
}

struct Inner {
    context: Arc<Context>,
    pods: Mutex<BTreeMap<String, Arc<Handle>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What others know of a worker.
pub(crate) struct Handle {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) view: watch::Sender<Arc<View>>,
    /// The object that stands for a static pod at the apiserver.
    pub(crate) mirror: Mutex<Option<Arc<Pod>>>,
}

/// A pod as its worker sees it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) pod: Arc<Pod>,
    pub(crate) status: Arc<PodStatus>,
    pub(crate) runs: BTreeMap<String, Runs>,
}

/// A container's runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    /// Attempt of the run that is or was last.
    pub(crate) current: Option<u32>,
    pub(crate) previous: Option<u32>,
    /// Where the current one runs, while it does.
    pub(crate) running: Option<(usize, String)>,
}

impl Workers {
    pub(crate) fn new(context: Arc<Context>, stop: CancellationToken) -> Self {
        Self { inner: Arc::new(Inner { context, pods: Mutex::default(), tasks: TaskTracker::new(), stop }) }
    }

    /// The pod as it is now, new or changed.
    pub(crate) fn set(&self, pod: Arc<Pod>) {
        let uid = facts::uid(&pod).to_owned();
        let mut pods = self.inner.pods.lock();
        if let Some(handle) = pods.get(&uid) {
            return handle.mailbox.pod(pod);
        }
        let view =
            View { status: Arc::new(pod.status.clone().unwrap_or_default()), pod: pod.clone(), runs: BTreeMap::new() };
        let handle = Arc::new(Handle {
            mailbox: Arc::default(),
            view: watch::Sender::new(Arc::new(view)),
            mirror: Mutex::default(),
        });
        pods.insert(uid.clone(), handle.clone());
        drop(pods);
        let worker = Box::new(Worker::new(self.inner.context.clone(), handle, pod));
        self.inner.tasks.spawn(self.clone().work(uid, worker));
    }

    async fn work(self, uid: String, worker: Box<Worker>) {
        let over = self.inner.stop.run_until_cancelled(worker.run()).await;
        if over.is_some() {
            self.inner.pods.lock().remove(&uid);
        }
    }

    /// The object is gone from the apiserver (or from the directory of static pods).
    pub(crate) fn gone(&self, uid: &str) {
        self.with(uid, |handle| handle.mailbox.gone());
    }

    pub(crate) fn container_changed(&self, uid: &str, runtime: usize, container: String) {
        self.with(uid, |handle| handle.mailbox.container(runtime, container));
    }

    pub(crate) fn sandbox_lost(&self, uid: &str, sandbox: &str) {
        self.with(uid, |handle| handle.mailbox.lost(sandbox));
    }

    pub(crate) fn references_changed(&self, uid: &str) {
        self.with(uid, |handle| handle.mailbox.references());
    }

    /// The mirror of a static pod appeared, changed or went.
    pub(crate) fn mirror(&self, uid: &str, mirror: Option<Arc<Pod>>) {
        self.with(uid, |handle| {
            *handle.mirror.lock() = mirror;
            handle.mailbox.look();
        });
    }

    fn with(&self, uid: &str, tell: impl FnOnce(&Handle)) {
        let handle = self.inner.pods.lock().get(uid).cloned();
        if let Some(handle) = handle {
            tell(&handle);
        }
    }

    /// The pod has to go, though nobody deleted it.
    pub(crate) fn evict(&self, uid: &str, eviction: Eviction) {
        self.with(uid, |handle| handle.mailbox.evict(eviction));
    }

    /// Returns once the pod has ended, or nobody knows it.
    pub(crate) async fn ended(&self, uid: &str) {
        let handle = self.inner.pods.lock().get(uid).cloned();
        let Some(mut view) = handle.map(|handle| handle.view.subscribe()) else { return };
        let ended = |view: &Arc<View>| matches!(view.status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let _gone_meanwhile = view.wait_for(ended).await;
    }

    /// Hints were lost: every pod looks at its containers.
    pub(crate) fn relist(&self, _runtime: usize) {
        for handle in self.inner.pods.lock().values() {
            handle.mailbox.look();
        }
    }

    pub(crate) fn uids(&self) -> BTreeSet<String> {
        self.inner.pods.lock().keys().cloned().collect()
    }

    /// All pods as their workers see them.
    pub(crate) fn views(&self) -> Vec<Arc<View>> {
        self.inner.pods.lock().values().map(|handle| handle.view.borrow().clone()).collect()
    }

    /// The pod of that name, followed; the newest where a name is used again.
    pub(crate) fn follow(&self, namespace: &str, name: &str) -> Option<watch::Receiver<Arc<View>>> {
        let pods = self.inner.pods.lock();
        let named = pods.values().filter(|handle| {
            let view = handle.view.borrow();
            facts::name(&view.pod) == name && facts::namespace(&view.pod) == namespace
        });
        let newest =
            named.max_by_key(|handle| handle.view.borrow().pod.metadata.creation_timestamp.clone().map(|time| time.0));
        newest.map(|handle| handle.view.subscribe())
    }

    /// Waits until no worker acts any more, after the agent was told to stop. Containers go on.
    pub(crate) async fn stopped(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

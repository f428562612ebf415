//! What a worker has been told and not yet looked at. Telling never waits, and the same news twice counts once.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::Pod;
use tokio::sync::Notify;

use super::state::Eviction;
use crate::probe::Finding;

/// One worker's mailbox.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inbox: Mutex<Inbox>,
    arrived: Notify,
}

/// News for a worker.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// The newest version of the pod.
    pub(crate) pod: Option<Arc<Pod>>,
    /// The object is gone from the apiserver.
    pub(crate) gone: bool,
    /// Containers to look at: the runtime's position and the container's id.
    pub(crate) containers: BTreeSet<(usize, String)>,
    /// All containers are to be looked at.
    pub(crate) look: bool,
    /// Sandboxes whose process is gone.
    pub(crate) lost: BTreeSet<String>,
    /// Something the pod refers to changed.
    pub(crate) references: bool,
    /// The node wants it gone.
    pub(crate) evicted: Option<Eviction>,
    /// What probes found, in order.
    pub(crate) findings: Vec<Finding>,
}

impl Mailbox {
    fn tell(&self, change: impl FnOnce(&mut Inbox)) {
        change(&mut self.inbox.lock());
        self.arrived.notify_one();
    }

    pub(crate) fn pod(&self, pod: Arc<Pod>) {
        self.tell(|inbox| inbox.pod = Some(pod));
    }

    pub(crate) fn gone(&self) {
        self.tell(|inbox| inbox.gone = true);
    }

    pub(crate) fn container(&self, runtime: usize, id: String) {
        self.tell(|inbox| inbox.containers.extend([(runtime, id)]));
    }

    pub(crate) fn look(&self) {
        self.tell(|inbox| inbox.look = true);
    }

    pub(crate) fn lost(&self, sandbox: &str) {
        self.tell(|inbox| inbox.lost.extend([sandbox.to_owned()]));
    }

    pub(crate) fn references(&self) {
        self.tell(|inbox| inbox.references = true);
    }

    pub(crate) fn evict(&self, eviction: Eviction) {
        self.tell(|inbox| inbox.evicted = Some(eviction));
    }

    pub(crate) fn found(&self, finding: Finding) {
        self.tell(|inbox| inbox.findings.push(finding));
    }

    /// Waits for news and takes all of it. May be dropped while waiting without losing any.
    pub(crate) async fn take(&self) -> Inbox {
        self.arrived.notified().await;
        std::mem::take(&mut *self.inbox.lock())
    }
}

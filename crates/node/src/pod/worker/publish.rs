//! Telling: the status to the apiserver, the view to the node's own API, the copy to the disk.

use std::sync::Arc;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Pod, PodStatus};

use super::Worker;
use crate::pod::state::{ContainerState, RunPhase};
use crate::pod::workers::{Runs, View};
use crate::pod::{facts, status};
use crate::static_pods;
use crate::status_writer::Outlook;

impl Worker {
    /// Says how the pod is, if that is news.
    pub(in crate::pod) fn publish(&mut self, now: Timestamp) {
        let last = self.status.as_deref().or(self.pod.status.as_ref());
        let status = status(&self.pod, &self.state, last, &self.context.node, now);
        let unchanged = self.status.as_deref() == Some(&status);
        let status = if unchanged { self.status.clone() } else { None }.unwrap_or_else(|| Arc::new(status));
        self.publish_view(&status);
        if unchanged && !static_pods::is_static(&self.pod) {
            return;
        }
        let durable = |status: &PodStatus| (status.phase.clone(), restarts(status));
        let matters = self.status.as_deref().is_none_or(|last| durable(last) != durable(&status));
        self.status = Some(status.clone());
        self.submit(status, unchanged);
        if matters {
            self.save();
        }
    }

    fn submit(&self, status: Arc<PodStatus>, unchanged: bool) {
        let outlook = match self.probes.values().any(|probing| probing.asks_at_once) {
            true => Outlook::Readiness,
            false => Outlook::Unknown,
        };
        if !static_pods::is_static(&self.pod) {
            return self.context.status.submit(&self.pod, status, outlook);
        }
        let mirror = self.handle.mirror.lock().clone();
        // A mirror made again has none of what was written to the one before.
        if let Some(mirror) = mirror.filter(|mirror| {
            !unchanged || mirror.status.as_ref().and_then(|status| status.phase.as_ref()) != status.phase.as_ref()
        }) {
            self.context.status.submit(&mirror, status, outlook);
        }
    }

    fn publish_view(&self, status: &Arc<PodStatus>) {
        let runs: std::collections::BTreeMap<String, Runs> =
            self.state.containers.iter().map(|(name, container)| (name.clone(), runs(container))).collect();
        self.handle.view.send_if_modified(|view| {
            let same = Arc::ptr_eq(&view.pod, &self.pod) && view.status == *status && view.runs == runs;
            if !same {
                *view = Arc::new(View { pod: self.pod.clone(), status: status.clone(), runs });
            }
            !same
        });
    }

    /// Keeps the pod with what must not be lost: its phase and how often its containers were started.
    pub(super) fn save(&self) {
        if static_pods::is_static(&self.pod) {
            return; // Its file is its copy.
        }
        let mut pod = Pod::clone(&self.pod);
        pod.status = self.status.as_deref().cloned().or(pod.status);
        self.context.checkpoint.save_pod(&pod);
        debug_assert!(!facts::uid(&pod).is_empty(), "every pod has a UID");
    }
}

fn restarts(status: &PodStatus) -> i32 {
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    containers.map(|container| container.restart_count + i32::from(container.container_id.is_some())).sum()
}

fn runs(container: &ContainerState) -> Runs {
    let running = container.current.as_ref().filter(|run| matches!(run.phase, RunPhase::Running { .. }));
    Runs {
        current: container.current.as_ref().map(|run| run.attempt),
        previous: container.previous.as_ref().map(|run| run.attempt),
        running: running.map(|run| (run.runtime, run.id.clone())),
    }
}

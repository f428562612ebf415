//! Who writes, and what is said of pods that have no node.

use std::collections::BTreeMap;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{PersistentVolumeClaim, Pod, PodCondition};
use sampan_client::{Api, Client, Informer, Patch, PatchParams, Recorder};
use sampan_meta::Clock;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use super::bind::Outcome;
use crate::PodRequest;

/// Bindings written at once. More gain nothing on one store and would only queue there.
const AT_ONCE: usize = 128;

/// Writes what was decided, each thing on a task of its own, so that no decision waits for it.
pub(super) struct Writer {
    pub(super) client: Client,
    /// Claims, to see when they are bound.
    pub(super) claims: Informer<PersistentVolumeClaim>,
    /// By profile.
    recorders: BTreeMap<String, Recorder>,
    clock: Arc<dyn Clock>,
    pub(super) outcomes: mpsc::UnboundedSender<Outcome>,
    pub(super) slots: Arc<Semaphore>,
}

impl Writer {
    pub(super) fn new(
        client: Client,
        claims: Informer<PersistentVolumeClaim>,
        recorders: BTreeMap<String, Recorder>,
        clock: Arc<dyn Clock>,
        outcomes: mpsc::UnboundedSender<Outcome>,
    ) -> Self {
        Self { client, claims, recorders, clock, outcomes, slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Tells in an event and in the pod's condition why it has no node (`Unschedulable`, or `SchedulerError` where that is not known), and in its status where room is being made for it. Writes nothing
    /// when the status already says so.
    pub(super) fn report_unschedulable(
        &self,
        pod: &PodRequest,
        reason: &str,
        message: String,
        nomination: Option<&str>,
    ) {
        if let Some(recorder) = self.recorder(pod) {
            recorder.warning(&*pod.pod, "FailedScheduling", message.clone());
        }
        if says(&pod.pod, reason, &message) && pod.nominated() == nomination {
            return;
        }
        let mut status = json!({"conditions": [self.condition(&pod.pod, "PodScheduled", reason, &message)]});
        if pod.nominated() != nomination {
            status["nominatedNodeName"] = nomination.map_or(Value::Null, Value::from);
        }
        self.patch(pod, status);
    }

    /// Room kept for a pod went to a more important one.
    pub(super) fn clear_nomination(&self, pod: &PodRequest) {
        self.patch(pod, json!({"nominatedNodeName": null}));
    }

    pub(super) fn recorder(&self, pod: &PodRequest) -> Option<&Recorder> {
        self.recorders.get(pod.scheduler_name())
    }

    /// A condition as a patch, `False` for `PodScheduled` and `True` otherwise; it changed now unless it had that status before.
    pub(super) fn condition(&self, pod: &Pod, kind: &str, reason: &str, message: &str) -> Value {
        let status = if kind == "PodScheduled" { "False" } else { "True" };
        let mut condition = json!({"type": kind, "status": status, "reason": reason, "message": message,
            "observedGeneration": pod.metadata.generation});
        let same =
            |old: &&PodCondition| old.type_ == kind && old.status == status && old.last_transition_time.is_some();
        if conditions(pod).iter().find(same).is_none() {
            condition["lastTransitionTime"] = sampan_meta::time::format_time(self.clock.now()).into();
        }
        condition
    }

    fn patch(&self, pod: &PodRequest, status: Value) {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.name.namespace);
        let name = pod.name.name.clone();
        let patch = json!({"metadata": {"uid": pod.uid}, "status": status});
        tokio::spawn(async move {
            if let Err(error) = api.patch_status(&name, &PatchParams::default(), &Patch::Strategic(patch)).await {
                tracing::debug!(pod = name, %error, "failed to write why a pod has no node");
            }
        });
    }
}

pub(super) fn conditions(pod: &Pod) -> &[PodCondition] {
    pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

fn says(pod: &Pod, reason: &str, message: &str) -> bool {
    let matching = |condition: &PodCondition| {
        condition.type_ == "PodScheduled"
            && condition.reason.as_deref() == Some(reason)
            && condition.message.as_deref() == Some(message)
    };
    conditions(pod).iter().any(matching)
}

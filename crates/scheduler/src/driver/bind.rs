//! Writing what was decided.

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Pod, PodCondition};
use sampan_client::{Api, Client, Error, Patch, PatchParams, PostParams, Recorder};
use sampan_meta::Clock;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use crate::PodRequest;

/// Bindings written at once. More gain nothing on one store and would only queue there.
const AT_ONCE: usize = 128;

/// How a binding went.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Written, or it already was.
    Bound { uid: String },
    /// The pod is not there any more, or another one of its name is.
    Gone { uid: String },
    /// Refused or lost: try again.
    Failed { uid: String },
}

pub(super) struct Binder {
    client: Client,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    outcomes: mpsc::UnboundedSender<Outcome>,
    slots: Arc<Semaphore>,
}

impl Binder {
    pub(super) fn new(
        client: Client,
        recorder: Recorder,
        clock: Arc<dyn Clock>,
        outcomes: mpsc::UnboundedSender<Outcome>,
    ) -> Self {
        Self { client, recorder, clock, outcomes, slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Binds `pod` to `node` on a task of its own and reports how it went.
    pub(super) fn bind(&self, pod: Arc<PodRequest>, node: String) {
        let (client, recorder) = (self.client.clone(), self.recorder.clone());
        let (slots, outcomes) = (self.slots.clone(), self.outcomes.clone());
        tokio::spawn(async move {
            let _slot = slots.acquire_owned().await;
            let outcome = match write(&client, &pod, &node).await {
                Ok(()) => {
                    let message = format!("Successfully assigned {}/{} to {node}", pod.name.namespace, pod.name.name);
                    recorder.normal(&*pod.pod, "Scheduled", message);
                    Outcome::Bound { uid: pod.uid.clone() }
                }
                Err(error) => failure(&pod, &node, &error, &recorder),
            };
            // Nobody listens only when the scheduler itself has stopped.
            let _ = outcomes.send(outcome);
        });
    }

    /// Tells in an event and in the pod's condition why it has no node. Writes nothing when the condition already says so.
    pub(super) fn report_unschedulable(&self, pod: &PodRequest, message: String) {
        self.recorder.warning(&*pod.pod, "FailedScheduling", message.clone());
        if says(&pod.pod, &message) {
            return;
        }
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.name.namespace);
        let (name, now) = (pod.name.name.clone(), sampan_meta::time::format_time(self.clock.now()));
        let patch = json!({"metadata": {"uid": pod.uid}, "status": {"conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": now,
        }]}});
        tokio::spawn(async move {
            if let Err(error) = api.patch_status(&name, &PatchParams::default(), &Patch::Strategic(patch)).await {
                tracing::debug!(pod = name, %error, "failed to write why a pod has no node");
            }
        });
    }
}

async fn write(client: &Client, pod: &PodRequest, node: &str) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.name.namespace);
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod.name.name, "namespace": pod.name.namespace, "uid": pod.uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let options = PostParams::default();
    api.create_subresource::<_, serde_json::Value>("binding", &pod.name.name, &options, &binding).await.map(drop)
}

fn failure(pod: &PodRequest, node: &str, error: &Error, recorder: &Recorder) -> Outcome {
    let uid = pod.uid.clone();
    match error {
        Error::Api(status) if status.code == 404 => Outcome::Gone { uid },
        // Bound by somebody else meanwhile or by a reply that was lost: the watch will say where.
        Error::Api(status) if status.code == 409 => Outcome::Bound { uid },
        _ => {
            let name = &pod.name;
            tracing::warn!(pod = %name, node, %error, "failed to bind");
            recorder.warning(
                &*pod.pod,
                "FailedScheduling",
                format!("failed to bind pod {name} to node {node}: {error}"),
            );
            Outcome::Failed { uid }
        }
    }
}

fn says(pod: &Pod, message: &str) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let matching =
        |condition: &PodCondition| condition.type_ == "PodScheduled" && condition.message.as_deref() == Some(message);
    conditions.iter().any(matching)
}

//! Sending pods away so that a more important one has room.

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Pod;
use sampan_client::{Api, Client, DeleteParams, Error, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

use super::bind::Outcome;
use super::report::Writer;
use crate::PodRequest;
use crate::preempt::Preemption;

impl Writer {
    /// Deletes the victims with their grace, each marked with why, and tells of it. One that cannot be deleted is reported: the pod they go
    /// for looks again.
    pub(super) fn evict(&self, pod: &PodRequest, preemption: &Preemption) {
        let message = format!("{}: preempting to accommodate a higher priority pod", pod.scheduler_name());
        for victim in preemption.victims.iter().filter(|victim| !victim.terminating).cloned() {
            let condition = self.condition(&victim.pod, "DisruptionTarget", "PreemptionByScheduler", &message);
            let recorder = self.recorder(pod).cloned();
            let (client, outcomes) = (self.client.clone(), self.outcomes.clone());
            let (uid, note) = (pod.uid.clone(), format!("Preempted by pod {} on node {}", pod.uid, preemption.node));
            tokio::spawn(async move {
                match remove(&client, &victim, condition).await {
                    Ok(()) => {
                        if let Some(recorder) = recorder {
                            recorder.normal(&*victim.pod, "Preempted", note);
                        }
                    }
                    Err(error) => {
                        tracing::warn!(pod = %victim.name, %error, "failed to preempt");
                        // Nobody listens only when the scheduler itself has stopped.
                        let _ = outcomes.send(Outcome::NoRoomMade { uid });
                    }
                }
            });
        }
    }
}

async fn remove(client: &Client, victim: &Arc<PodRequest>, condition: Value) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &victim.name.namespace);
    let patch = json!({"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}});
    let marked = api.patch_status(&victim.name.name, &PatchParams::default(), &Patch::Strategic(patch)).await;
    if is_gone(marked.as_ref().err()) {
        return Ok(());
    }
    marked?;
    let this_one = Preconditions { uid: Some(victim.uid.clone()), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(this_one), ..DeleteParams::default() };
    let deleted = api.delete(&victim.name.name, &parameters).await;
    if is_gone(deleted.as_ref().err()) {
        return Ok(());
    }
    deleted.map(drop)
}

/// Not there any more, or another pod of its name is.
fn is_gone(error: Option<&Error>) -> bool {
    matches!(error, Some(Error::Api(status)) if status.code == 404 || status.code == 409)
}

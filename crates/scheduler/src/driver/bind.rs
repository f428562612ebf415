//! Writing bindings.

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Pod;
use sampan_client::{Api, Client, Error, PostParams, Recorder};
use serde_json::json;

use super::report::Writer;
use super::volumes;
use crate::{Placement, PodRequest};

/// How writing went.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Written, or it already was.
    Bound { uid: String },
    /// The pod is not there any more, or another one of its name is.
    Gone { uid: String },
    /// Refused or lost: try again.
    Failed { uid: String },
    /// A pod that had to go could not be sent away: whom it had to go for must look again.
    NoRoomMade { uid: String },
}

impl Writer {
    /// Binds `pod` on a task of its own and reports how it went.
    pub(super) fn bind(&self, pod: Arc<PodRequest>, placement: Placement) {
        let (client, recorder) = (self.client.clone(), self.recorder(&pod).cloned());
        let (slots, outcomes, claims) = (self.slots.clone(), self.outcomes.clone(), self.claims.clone());
        tokio::spawn(async move {
            let node = &placement.node;
            if let Err(error) = volumes::settle(&client, &claims, &pod, &placement).await {
                let _ = outcomes.send(unsettled(&pod, &error, recorder.as_ref()));
                return;
            }
            // Only now: others shall not wait for this pod's volumes.
            let _slot = slots.acquire_owned().await;
            let outcome = match write(&client, &pod, node).await {
                Ok(()) => {
                    let message = format!("Successfully assigned {}/{} to {node}", pod.name.namespace, pod.name.name);
                    if let Some(recorder) = recorder {
                        recorder.normal(&*pod.pod, "Scheduled", message);
                    }
                    Outcome::Bound { uid: pod.uid.clone() }
                }
                Err(error) => failure(&pod, node, &error, recorder.as_ref()),
            };
            // Nobody listens only when the scheduler itself has stopped.
            let _ = outcomes.send(outcome);
        });
    }
}

fn unsettled(pod: &PodRequest, error: &volumes::VolumeError, recorder: Option<&Recorder>) -> Outcome {
    tracing::warn!(pod = %pod.name, %error, "failed to bind volumes");
    if let Some(recorder) = recorder {
        let why = format!("running PreBind plugin \"VolumeBinding\": {error}");
        recorder.warning(&*pod.pod, "FailedScheduling", why);
    }
    Outcome::Failed { uid: pod.uid.clone() }
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

fn failure(pod: &PodRequest, node: &str, error: &Error, recorder: Option<&Recorder>) -> Outcome {
    let uid = pod.uid.clone();
    match error {
        Error::Api(status) if status.code == 404 => Outcome::Gone { uid },
        // Bound by somebody else meanwhile or by a reply that was lost: the watch will say where.
        Error::Api(status) if status.code == 409 => Outcome::Bound { uid },
        _ => {
            let name = &pod.name;
            tracing::warn!(pod = %name, node, %error, "failed to bind");
            if let Some(recorder) = recorder {
                let why = format!("failed to bind pod {name} to node {node}: {error}");
                recorder.warning(&*pod.pod, "FailedScheduling", why);
            }
            Outcome::Failed { uid }
        }
    }
}

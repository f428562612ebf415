//! Takes back the word that a pod is about to be ended when, two minutes later, nobody has ended it. As upstream's
//! `pkg/controller/disruption` (`syncStalePodDisruption`).

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::pod;
use sampan_client::{Api, Informer, Patch, PatchParams, ResourceExt, error};
use sampan_meta::time::format_time;
use serde_json::json;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;
use crate::time::until;

pub(crate) const ENTRY: Entry = Entry {
    name: "stale-disruption-controller",
    identity: "disruption-controller",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["pods"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["pods/status"], verbs: &["patch", "update"] },
    ],
    make: |context| Arc::new(StaleDisruption { pods: context.informer(), cx: context.clone() }),
};

const CONDITION: &str = "DisruptionTarget";
/// What the node says of its own pods is never stale: they may take their time.
const BY_KUBELET: &str = "TerminationByKubelet";
const PATIENCE: i64 = 120;

struct StaleDisruption {
    cx: Context,
    pods: Informer<Pod>,
}

/// How long until the word is stale; `None`: there is none that could be.
fn stale_in(pod: &Pod, now: Timestamp) -> Option<Duration> {
    let condition = pod::condition(pod, CONDITION).filter(|condition| condition.status == "True")?;
    if !pod::is_active(pod) || condition.reason.as_deref() == Some(BY_KUBELET) {
        return None;
    }
    Some(condition.last_transition_time.as_ref().and_then(|since| until(since, PATIENCE, now)).unwrap_or_default())
}

impl StaleDisruption {
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let now = self.cx.now();
        let Some(pod) = self.pods.get(key) else { return Ok(Next::Settled) };
        match stale_in(&pod, now) {
            None => return Ok(Next::Settled),
            Some(left) if !left.is_zero() => return Ok(Next::After(left)),
            Some(_) => {}
        }
        let condition = json!({ "type": CONDITION, "status": "False", "reason": null, "message": null,
            "lastTransitionTime": format_time(now) });
        let patch = Patch::Strategic(
            json!({ "metadata": { "uid": pod.metadata.uid }, "status": { "conditions": [condition] } }),
        );
        let api: Api<Pod> = self.cx.api(&key.namespace);
        match api.patch_status(&key.name, &PatchParams::default(), &patch).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(Next::Settled),
        }
    }
}

impl Controller for StaleDisruption {
    fn watches(&self) -> Vec<Watch> {
        vec![Watch::new(&self.pods, |change| {
            let said = change.new.iter().filter(|pod| pod::condition(pod, CONDITION).is_some());
            said.map(|pod| Key::new(pod.metadata.namespace.clone().unwrap_or_default(), pod.name_any())).collect()
        })]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ago, now, object};

    fn check(seconds: i64, status: &str, reason: &str, phase: &str, expected: Option<u64>) {
        let condition =
            json!({ "type": CONDITION, "status": status, "reason": reason, "lastTransitionTime": ago(seconds) });
        let pod =
            object(json!({ "metadata": { "name": "p" }, "status": { "phase": phase, "conditions": [condition] } }));
        assert_eq!(stale_in(&pod, now()), expected.map(Duration::from_secs));
    }

    #[test]
    fn only_a_pod_that_nobody_ended_in_two_minutes_is_cleared() {
        check(30, "True", "EvictionByEvictionAPI", "Running", Some(90));
        check(120, "True", "EvictionByEvictionAPI", "Running", Some(0));
        check(500, "False", "EvictionByEvictionAPI", "Running", None);
        check(500, "True", "EvictionByEvictionAPI", "Failed", None);
        check(500, "True", BY_KUBELET, "Running", None);
    }
}

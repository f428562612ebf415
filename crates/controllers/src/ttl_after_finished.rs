//! Deletes finished Jobs whose time to live has run out. As upstream's `pkg/controller/ttlafterfinished`.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use sampan_api::k8s::api::batch::v1::Job;
use sampan_client::{Api, DeleteParams, Informer, Preconditions, PropagationPolicy, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::job::finished_at;
use crate::table::Entry;
use crate::time::until;

pub(crate) const ENTRY: Entry = Entry {
    name: "ttl-after-finished-controller",
    identity: "ttl-after-finished-controller",
    requires: &[],
    permissions: &[
        Rule { group: "batch", resources: &["jobs"], verbs: &["get", "list", "watch", "delete"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(TtlController { jobs: context.informer(), cx: context.clone() }),
};

struct TtlController {
    cx: Context,
    jobs: Informer<Job>,
}

/// What is to happen to a Job.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Keep,
    Wait(Duration),
    Delete,
}

fn plan(job: &Job, now: Timestamp) -> Plan {
    let ttl = job.spec.as_ref().and_then(|spec| spec.ttl_seconds_after_finished);
    match ttl.zip(finished_at(job)) {
        Some((ttl, finished)) if job.metadata.deletion_timestamp.is_none() => {
            until(finished, ttl.into(), now).map_or(Plan::Delete, Plan::Wait)
        }
        _ => Plan::Keep,
    }
}

impl TtlController {
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(cached) = self.jobs.get(key) else { return Ok(Next::Settled) };
        match plan(&cached, self.cx.now()) {
            Plan::Keep => return Ok(Next::Settled),
            Plan::Wait(delay) => return Ok(Next::After(delay)),
            Plan::Delete => {}
        }
        let api: Api<Job> = self.cx.api(&key.namespace);
        // The user may have prolonged its life since it was cached.
        let Some(job) = api.get_opt(&key.name).await? else { return Ok(Next::Settled) };
        if plan(&job, self.cx.now()) != Plan::Delete {
            return Ok(Next::Settled);
        }
        let parameters = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Foreground),
            preconditions: Some(Preconditions { uid: job.uid(), resource_version: job.resource_version() }),
            ..DeleteParams::default()
        };
        match api.delete(&key.name, &parameters).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(Next::Settled),
        }
    }
}

impl Controller for TtlController {
    fn watches(&self) -> Vec<Watch> {
        vec![Watch::each(&self.jobs)]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ago, now, object};
    use serde_json::json;

    fn job(ttl: serde_json::Value, finished: &str) -> Job {
        let complete = json!({ "type": "Complete", "status": finished, "lastTransitionTime": ago(60) });
        object(json!({
            "metadata": { "name": "pi" },
            "spec": { "ttlSecondsAfterFinished": ttl, "template": {} },
            "status": { "conditions": [complete] },
        }))
    }

    #[test]
    fn only_a_finished_job_with_a_time_to_live_is_deleted_and_not_before_it_is_over() {
        assert_eq!(plan(&job(json!(60), "True"), now()), Plan::Delete);
        assert_eq!(plan(&job(json!(0), "True"), now()), Plan::Delete);
        assert_eq!(plan(&job(json!(100), "True"), now()), Plan::Wait(Duration::from_secs(40)));
        assert_eq!(plan(&job(json!(null), "True"), now()), Plan::Keep);
        assert_eq!(plan(&job(json!(1), "False"), now()), Plan::Keep);
    }
}

//! Job: pods until enough of them have succeeded. As upstream's `pkg/controller/job`.
//!
//! Every pod carries a finalizer until it is counted: its uid is first written into `status.uncountedTerminatedPods`, then the
//! finalizer goes, then the uid becomes a count. A crash between any two steps counts no pod twice and forgets none.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::batch::v1::{Job, JobStatus};
use sampan_api::k8s::api::core::v1::Pod;
use sampan_client::{Api, DeleteParams, Informer, Patch, PatchParams, PostParams, Preconditions, ResourceExt, error};
use serde_json::json;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::expectations::Expectations;
use crate::ownership::{self, controller_key};
use crate::slow_start;
use crate::table::Entry;
pub(crate) use plan::finished_at;
use plan::{FINALIZER, Note, Observed, Plan};

pub(crate) const ENTRY: Entry = Entry {
    name: "job-controller",
    identity: "job-controller",
    requires: &[],
    permissions: &[
        Rule { group: "batch", resources: &["jobs"], verbs: &["get", "list", "watch", "patch", "update"] },
        Rule { group: "batch", resources: &["jobs/status", "jobs/finalizers"], verbs: &["update"] },
        Rule { group: "", resources: &["pods"], verbs: &["list", "watch", "create", "delete", "patch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(JobController::new(context.clone())),
};

/// The index of pods by the namespace and name of their Job, whether that still exists or not.
const BY_JOB: &str = "job";

struct JobController {
    cx: Context,
    jobs: Informer<Job>,
    pods: Informer<Pod>,
    /// Writes to pods, and to the Job itself.
    expectations: Expectations,
    own: Expectations,
}

impl JobController {
    fn new(cx: Context) -> Self {
        let (jobs, pods) = (cx.informer::<Job>(), cx.informer::<Pod>());
        ownership::add_indices(&pods);
        pods.add_index(BY_JOB, |pod| {
            controller_key::<Job>(&pod.metadata).map(|key| key.to_string()).into_iter().collect()
        });
        Self { cx, jobs, pods, expectations: Expectations::default(), own: Expectations::default() }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let job = self.jobs.get(key);
        self.release_strays(key, job.as_deref()).await?;
        let Some(job) = job.filter(|job| plan::is_ours(job)) else {
            self.expectations.forget(key);
            self.own.forget(key);
            return Ok(Next::Settled);
        };
        let late = self.own.outstanding(key, &self.jobs).or_else(|| self.expectations.outstanding(key, &self.pods));
        if let Some(late) = late {
            return Ok(Next::After(late));
        }
        let pods = self.claimed_pods(key, &job).await?;
        let plan = plan::plan(&Observed { job: &job, pods: &pods, now: self.cx.now() });
        let requeue = plan.requeue;
        self.carry_out(key, &job, plan).await?;
        Ok(Next::from(requeue))
    }

    /// Pods whose Job is gone wait for nobody's count.
    async fn release_strays(&self, key: &Key, job: Option<&Job>) -> Result<(), Failure> {
        let uid = job.and_then(|job| job.metadata.uid.as_deref());
        let is_stray = |pod: &Arc<Pod>| {
            let owner = ownership::controller_of(&pod.metadata).map(|owner| owner.uid.as_str());
            plan::is_tracked(pod) && owner != uid
        };
        let strays = self.pods.by_index(BY_JOB, &key.to_string()).into_iter().filter(is_stray);
        for pod in strays {
            self.release(key, &pod).await?;
        }
        Ok(())
    }

    async fn claimed_pods(&self, key: &Key, job: &Job) -> Result<Vec<Arc<Pod>>, Failure> {
        let selector = job.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        let selector = selector.ok_or_else(|| Failure::Object(format!("job {key} has no selector")))?;
        let selector = ownership::selector(selector)?;
        let claims = ownership::claims(&job.metadata, &selector, ownership::candidates(&self.pods, &job.metadata));
        let wrote = |pod: &Pod| self.expectations.wrote(key, pod);
        ownership::settle(job, &self.cx.api(&key.namespace), &self.cx.api(&key.namespace), claims, wrote).await
    }

    /// The status goes first: no finalizer is taken away before the pod's uid is on record.
    async fn carry_out(&self, key: &Key, job: &Job, plan: Plan) -> Result<(), Failure> {
        let Plan { status, create, delete, release, notes, requeue: _ } = plan;
        if let Some(status) = status {
            self.write_status(key, job, status).await?;
        }
        for Note { event_type, reason, message } in notes {
            self.cx.recorder.event(&sampan_client::recorder::reference(job), event_type, &reason, message);
        }
        let (cx, api) = (&self.cx, &self.cx.api::<Pod>(&key.namespace));
        slow_start::all(release, |pod| async move { self.release_now(key, api, &pod).await }).await?;
        slow_start::all(delete, |unwanted| async move {
            if unwanted.uncounted {
                self.release_now(key, api, &unwanted.pod).await?;
            }
            self.delete(key, job, api, &unwanted.pod).await
        })
        .await?;
        let created = slow_start::all(create, |place| async move {
            let created = api.create(&PostParams::default(), &plan::new_pod(job, place)).await?;
            self.expectations.wrote(key, &created);
            cx.recorder.normal(job, "SuccessfulCreate", format!("Created pod: {}", created.name_any()));
            Ok(())
        });
        match created.await {
            Err(failure) if error::is_namespace_terminating(&failure) => Ok(()),
            Err(failure) => {
                cx.recorder.warning(job, "FailedCreate", format!("Error creating: {}", error::message(&failure)));
                Err(failure.into())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn write_status(&self, key: &Key, job: &Job, status: JobStatus) -> Result<(), Failure> {
        let mut job = job.clone();
        job.status = Some(status);
        let written =
            self.cx.api::<Job>(&key.namespace).replace_status(&key.name, &PostParams::default(), &job).await?;
        self.own.wrote(key, &written);
        Ok(())
    }

    async fn release(&self, key: &Key, pod: &Pod) -> Result<(), Failure> {
        let api: Api<Pod> = self.cx.api(&key.namespace);
        Ok(self.release_now(key, &api, pod).await?)
    }

    /// Takes the finalizer away from a pod.
    async fn release_now(&self, key: &Key, api: &Api<Pod>, pod: &Pod) -> Result<(), sampan_client::Error> {
        if !plan::is_tracked(pod) {
            return Ok(());
        }
        let kept: Vec<_> = pod.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
        let kept = Some(kept).filter(|kept| !kept.is_empty());
        let metadata =
            json!({ "uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version, "finalizers": kept });
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        match api.patch(&pod.name_any(), &PatchParams::default(), &patch).await {
            Ok(released) => self.expectations.wrote(key, &released),
            Err(failure) if error::is_not_found(&failure) => {}
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    async fn delete(&self, key: &Key, job: &Job, api: &Api<Pod>, pod: &Pod) -> Result<(), sampan_client::Error> {
        let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
        match api.delete(&pod.name_any(), &DeleteParams { preconditions, ..DeleteParams::default() }).await {
            Err(failure) if !error::is_not_found(&failure) => {
                let message = format!("Error deleting: {}", error::message(&failure));
                self.cx.recorder.warning(job, "FailedDelete", message);
                return Err(failure);
            }
            _ => {}
        }
        self.expectations.deleted(key, pod);
        self.cx.recorder.normal(job, "SuccessfulDelete", format!("Deleted pod: {}", pod.name_any()));
        Ok(())
    }
}

impl Controller for JobController {
    fn watches(&self) -> Vec<Watch> {
        let pods = Watch::new(&self.pods, |change| {
            change.states().filter_map(|pod| controller_key::<Job>(&pod.metadata)).collect()
        });
        vec![Watch::each(&self.jobs), pods]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

//! CronJob: a Job at each time of a schedule. As upstream's `pkg/controller/cronjob`.
//!
//! A Job's name tells the minute it is for, so that no crash and no lost answer makes a second one.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::batch::v1::{CronJob, CronJobStatus, Job};
use sampan_api::k8s::api::core::v1::ObjectReference;
use sampan_client::{Api, DeleteParams, Informer, PostParams, Preconditions, PropagationPolicy, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::expectations::Expectations;
use crate::ownership::{self, controller_key};
use crate::table::Entry;
use plan::{Note, Observed, Plan, Start};

pub(crate) const ENTRY: Entry = Entry {
    name: "cronjob-controller",
    identity: "cronjob-controller",
    requires: &[("batch", "cronjobs")],
    permissions: &[
        Rule { group: "batch", resources: &["cronjobs"], verbs: &["get", "list", "watch", "update"] },
        Rule { group: "batch", resources: &["cronjobs/status", "cronjobs/finalizers"], verbs: &["update"] },
        Rule {
            group: "batch",
            resources: &["jobs"],
            verbs: &["get", "list", "watch", "create", "delete", "patch", "update"],
        },
        Rule { group: "", resources: &["pods"], verbs: &["list", "watch", "delete"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(CronJobController::new(context.clone())),
};

struct CronJobController {
    cx: Context,
    cron_jobs: Informer<CronJob>,
    jobs: Informer<Job>,
    /// Writes to Jobs, and to the CronJob itself.
    expectations: Expectations,
    own: Expectations,
}

impl CronJobController {
    fn new(cx: Context) -> Self {
        let (cron_jobs, jobs) = (cx.informer(), cx.informer::<Job>());
        ownership::add_indices(&jobs);
        Self { cx, cron_jobs, jobs, expectations: Expectations::default(), own: Expectations::default() }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(cron_job) = self.cron_jobs.get(key) else {
            self.expectations.forget(key);
            self.own.forget(key);
            return Ok(Next::Settled);
        };
        let late =
            self.own.outstanding(key, &self.cron_jobs).or_else(|| self.expectations.outstanding(key, &self.jobs));
        if let Some(late) = late {
            return Ok(Next::After(late));
        }
        let jobs = self.jobs.by_index(ownership::BY_CONTROLLER, cron_job.metadata.uid.as_deref().unwrap_or_default());
        // Not cut to whole seconds: a schedule is met when its second begins.
        let now = self.cx.clock.now();
        let Plan { notes, mut status, delete, start, requeue } =
            plan::plan(&Observed { cron_job: &cron_job, jobs: &jobs, now });
        for Note { event_type, reason, message } in notes {
            self.cx.recorder.event(&sampan_client::recorder::reference(&*cron_job), event_type, &reason, message);
        }
        for job in delete {
            self.delete(key, &cron_job, &job.name_any(), job.uid()).await?;
        }
        let started = match start {
            Some(start) => self.start(key, &cron_job, *start, &mut status).await,
            None => Ok(()),
        };
        self.write_status(key, &cron_job, status).await?;
        started?;
        Ok(Next::from(requeue))
    }

    /// Puts the new Job on record in `status`.
    async fn start(
        &self,
        key: &Key,
        cron_job: &CronJob,
        start: Start,
        status: &mut CronJobStatus,
    ) -> Result<(), Failure> {
        let Start { job, scheduled, replaces } = start;
        for active in replaces {
            let name = active.name.unwrap_or_default();
            self.delete(key, cron_job, &name, active.uid.clone()).await?;
            plan::forget(status, active.uid.as_deref());
        }
        let Some(created) = self.create(key, cron_job, &job).await? else { return Ok(()) };
        let known = status.active.iter().flatten().any(|active| active.uid == created.metadata.uid);
        if !known {
            status.active.get_or_insert_default().push(reference(&created));
        }
        status.last_schedule_time = Some(scheduled);
        Ok(())
    }

    /// The Job, made now or by an attempt whose answer was lost; `None`: the name is somebody else's, or the namespace is going.
    async fn create(&self, key: &Key, cron_job: &CronJob, job: &Job) -> Result<Option<Job>, Failure> {
        let api: Api<Job> = self.cx.api(&key.namespace);
        match api.create(&PostParams::default(), job).await {
            Ok(created) => {
                self.expectations.wrote(key, &created);
                let message = format!("Created job {}", created.name_any());
                self.cx.recorder.normal(cron_job, "SuccessfulCreate", message);
                Ok(Some(created))
            }
            Err(failure) if error::is_namespace_terminating(&failure) => Ok(None),
            Err(failure) if error::is_already_exists(&failure) => {
                let existing = api.get(&job.name_any()).await?;
                let owner = ownership::controller_of(&existing.metadata).map(|owner| &owner.uid);
                Ok(Some(existing.clone()).filter(|_| owner == cron_job.metadata.uid.as_ref()))
            }
            Err(failure) => {
                let message = format!("Error creating job: {}", error::message(&failure));
                self.cx.recorder.warning(cron_job, "FailedCreate", message);
                Err(failure.into())
            }
        }
    }

    /// Deletes a Job, and its pods after it.
    async fn delete(&self, key: &Key, cron_job: &CronJob, name: &str, uid: Option<String>) -> Result<(), Failure> {
        let options = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions { uid, resource_version: None }),
            ..DeleteParams::default()
        };
        match self.cx.api::<Job>(&key.namespace).delete(name, &options).await {
            Err(failure) if error::is_not_found(&failure) => {}
            Err(failure) => {
                let message = format!("Deleted job: {}", error::message(&failure));
                self.cx.recorder.warning(cron_job, "FailedDelete", message);
                return Err(failure.into());
            }
            Ok(_) => self.cx.recorder.normal(cron_job, "SuccessfulDelete", format!("Deleted job {name}")),
        }
        Ok(())
    }

    async fn write_status(&self, key: &Key, cron_job: &CronJob, status: CronJobStatus) -> Result<(), Failure> {
        if cron_job.status.clone().unwrap_or_default() == status {
            return Ok(());
        }
        let changed = CronJob { status: Some(status), ..cron_job.clone() };
        let api = self.cx.api::<CronJob>(&key.namespace);
        match api.replace_status(&key.name, &PostParams::default(), &changed).await {
            Ok(written) => self.own.wrote(key, &written),
            Err(failure) if error::is_not_found(&failure) => {}
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }
}

fn reference(job: &Job) -> ObjectReference {
    ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        namespace: job.metadata.namespace.clone(),
        name: job.metadata.name.clone(),
        uid: job.metadata.uid.clone(),
        resource_version: job.metadata.resource_version.clone(),
        field_path: None,
    }
}

impl Controller for CronJobController {
    fn watches(&self) -> Vec<Watch> {
        let jobs = Watch::new(&self.jobs, |change| {
            change.states().filter_map(|job| controller_key::<CronJob>(&job.metadata)).collect()
        });
        vec![Watch::each(&self.cron_jobs), jobs]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

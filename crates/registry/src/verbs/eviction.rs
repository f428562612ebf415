//! `pods/eviction`: a deletion that says why, and that asks the pod's budgets first.

mod budget;

use std::sync::Arc;

use sampan_meta::time::format_time;
use sampan_meta::{Status, object};
use sampan_store::{At, Error};
use serde_json::{Value, json};

use self::budget::Verdict;
use super::change::{CONFLICT_RETRIES, Failure, write_status};
use super::create::name_mismatch;
use super::delete::{Deleted, check_preconditions};
use crate::conditions;
use crate::context::RequestContext;
use crate::object::Object;
use crate::options::DeleteOptions;
use crate::registry::Registry;
use crate::resource::Resource;

/// How often an eviction tries again when others change its budget. Upstream: `EvictionsRetry`.
const BUDGET_RETRIES: usize = 20;

/// The state in which a pod was seen not to be healthy, and the budget that this spared.
struct Guard {
    budget: String,
    revision: u64,
}

impl Registry {
    /// Evicts a pod: marks it with the condition `DisruptionTarget` and deletes it. Upstream: `EvictionREST.Create`.
    ///
    /// # Errors
    /// As a delete; 429 when a PodDisruptionBudget does not allow it.
    pub(crate) async fn evict(&self, cx: &RequestContext<'_>, eviction: &Value) -> Result<Value, Status> {
        let name = cx.attributes.name.as_str();
        match object::name(eviction) {
            "" => (),
            own if own == name => (),
            own => return Err(name_mismatch(own, name)),
        }
        let options = DeleteOptions::parse(eviction.get("deleteOptions").unwrap_or(&Value::Null))?;
        let admission = cx.admission_request(sampan_api::request::Operation::Create, None);
        cx.admission.mutate(&admission, &mut eviction.clone()).await?;
        cx.admission.validate(&admission, eviction).await?;
        let guard = self.ask_budgets(cx, name).await?;
        for _ in 0..=CONFLICT_RETRIES {
            match self.mark_evicted(cx, name, &options, guard.as_ref()).await {
                Ok(()) => return self.delete_evicted(cx, name, &options).await,
                Err(Failure::Final(status)) => return Err(status),
                Err(Failure::Raced) => self.refresh().await.map(drop)?,
            }
        }
        Err(Status::modified(&self.pods().group_resource(), name))
    }

    /// Has the pod's budget pay for the eviction. Answers what must still be true when the pod goes, if the budget was spared.
    async fn ask_budgets(&self, cx: &RequestContext<'_>, name: &str) -> Result<Option<Guard>, Status> {
        let (pods, namespace) = (self.pods(), &cx.attributes.namespace);
        let Some(budgets) = self.find("policy", "v1", "poddisruptionbudgets") else { return Ok(None) };
        for _ in 0..=BUDGET_RETRIES {
            self.refresh().await?;
            let pod_object = self.existing(pods, &self.key(pods, namespace, name)).await?;
            let pod = pod_object.value();
            if disrupts_nobody(&pod) {
                return Ok(None);
            }
            let found = self.budgets_of(&budgets, &pod)?;
            let states: Vec<Value> = found.iter().map(|budget| budget.value()).collect();
            let spent = match budget::decide(&pod, &states, self.clock.now())? {
                Verdict::Free => return Ok(None),
                Verdict::Unchanged(budget) => return Ok(Some(Guard { budget, revision: pod_object.revision() })),
                Verdict::Spend(_) if cx.dry_run => return Ok(None),
                Verdict::Spend(spent) => spent,
            };
            match self.write_over(&budgets, &found[0], &spent).await {
                Ok(_) => return Ok(None),
                Err(Error::Conflict { .. }) => (),
                Err(error) => return Err(write_status(&error, &budgets, found[0].name())),
            }
        }
        let why = format!("couldn't update the PodDisruptionBudget of pod {name:?} due to conflicts");
        Err(Status::timeout(why, 10))
    }

    fn budgets_of(&self, budgets: &Resource, pod: &Value) -> Result<Vec<Arc<Object>>, Status> {
        let snapshot = self.cache.snapshot(&budgets.storage, &At::Latest);
        let snapshot = snapshot.map_err(|expired| Status::internal(expired.to_string()))?;
        let all = snapshot.range(Some(object::namespace(pod)), None);
        Ok(all.filter(|budget| budget::selects(&budget.value(), pod)).cloned().collect())
    }

    async fn mark_evicted(
        &self,
        cx: &RequestContext<'_>,
        name: &str,
        options: &DeleteOptions,
        guard: Option<&Guard>,
    ) -> Result<(), Failure> {
        let pods = self.pods();
        let old_object = self.existing(pods, &self.key(pods, &cx.attributes.namespace, name)).await?;
        let mut pod = old_object.value();
        check_preconditions(pods, &options.preconditions, &pod)?;
        if let Some(guard) = guard.filter(|guard| guard.revision != old_object.revision()) {
            return Err(Failure::Final(budget::still_processed(&guard.budget)));
        }
        if disrupts_nobody(&pod) {
            return Ok(());
        }
        let now = format_time(self.clock.now());
        conditions::set(
            &mut pod,
            json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting", "lastTransitionTime": now}),
        );
        if cx.dry_run {
            return Ok(());
        }
        let written = self.write_over(pods, &old_object, &pod).await;
        written.map(drop).map_err(|error| Failure::of_write(&error, pods, name))
    }

    async fn delete_evicted(
        &self,
        cx: &RequestContext<'_>,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Value, Status> {
        let mut options = options.clone();
        // The mark above is a newer version than the client knew.
        options.preconditions.resource_version = None;
        match self.delete_named(cx, self.pods(), name, &options).await? {
            Deleted::Gone(_) | Deleted::Terminating(_) => (),
        }
        let mut status = Status::success();
        status.code = 201;
        Ok(status.to_value())
    }
}

/// A pod that has ended or never began. Upstream: `canIgnorePDB`.
fn disrupts_nobody(pod: &Value) -> bool {
    let phase = object::str_at(pod, "/status/phase").unwrap_or_default();
    matches!(phase, "Succeeded" | "Failed" | "Pending") || object::deletion_timestamp(pod).is_some()
}

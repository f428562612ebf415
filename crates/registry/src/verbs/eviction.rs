//! `pods/eviction`: a deletion that says why.

use sampan_meta::time::format_time;
use sampan_meta::{Status, object};
use serde_json::{Value, json};

use super::change::{CONFLICT_RETRIES, Failure};
use super::create::name_mismatch;
use super::delete::{Deleted, check_preconditions};
use crate::conditions;
use crate::context::RequestContext;
use crate::options::DeleteOptions;
use crate::registry::Registry;

impl Registry {
    /// Evicts a pod: marks it with the condition `DisruptionTarget` and deletes it. Upstream: `EvictionREST.Create`.
    ///
    /// # Errors
    /// As a delete.
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
        for _ in 0..=CONFLICT_RETRIES {
            match self.mark_evicted(cx, name, &options).await {
                Ok(()) => return self.delete_evicted(cx, name, &options).await,
                Err(Failure::Final(status)) => return Err(status),
                Err(Failure::Raced) => self.refresh().await.map(drop)?,
            }
        }
        Err(Status::modified(&self.pods().group_resource(), name))
    }

    async fn mark_evicted(&self, cx: &RequestContext<'_>, name: &str, options: &DeleteOptions) -> Result<(), Failure> {
        let pods = self.pods();
        let old_object = self.existing(pods, &self.key(pods, &cx.attributes.namespace, name)).await?;
        let mut pod = old_object.value();
        check_preconditions(pods, &options.preconditions, &pod)?;
        // A pod that has ended or never began disrupts nobody.
        let phase = object::str_at(&pod, "/status/phase").unwrap_or_default();
        if matches!(phase, "Succeeded" | "Failed" | "Pending") || object::deletion_timestamp(&pod).is_some() {
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

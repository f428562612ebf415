//! `delete`: at once, after a grace period, or once the last finalizer is gone.

use std::sync::Arc;

use sampan_api::request::Operation;
use sampan_meta::{Status, object};
use sampan_store::Error;
use serde_json::Value;

use super::change::{CONFLICT_RETRIES, Failure};
use crate::context::RequestContext;
use crate::object::Object;
use crate::options::{DeleteOptions, Preconditions};
use crate::registry::Registry;
use crate::resource::Resource;

mod plan;

use plan::{Step, plan};

/// What a delete has come to.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The object is gone: a `Status` of success that names it.
    Gone(Value),
    /// The object lingers: for its grace period, or until its finalizers are done.
    Terminating(Arc<Object>),
}

impl Registry {
    /// Deletes the object named in `cx.attributes`.
    ///
    /// # Errors
    /// 403 from admission, 404, 409 when a precondition does not hold or others keep changing the object.
    pub async fn delete(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        options: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        self.delete_named(cx, resource, &cx.attributes.name, options).await
    }

    pub(crate) async fn delete_named(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        let key = self.key(resource, &cx.attributes.namespace, name);
        for attempt in 0..=CONFLICT_RETRIES {
            let old = self.existing(resource, &key).await?;
            match self.delete_once(cx, resource, &old, options).await {
                Ok(deleted) => return Ok(deleted),
                // A precondition may have failed on a state that is no longer the present one.
                Err(Failure::Final(status)) if attempt == 0 && status.is_conflict() => {
                    self.refresh().await?;
                    if self.cache.get(&key).is_some_and(|now| now.revision() == old.revision()) {
                        return Err(status);
                    }
                }
                Err(Failure::Final(status)) => return Err(status),
                Err(Failure::Raced) => self.refresh().await.map(drop)?,
            }
        }
        Err(Status::modified(&resource.group_resource(), name))
    }

    async fn delete_once(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        old_object: &Arc<Object>,
        options: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        let old = self.state(resource, old_object).await?;
        check_preconditions(resource, &options.preconditions, &old)?;
        if let Some(why) = resource.strategy.deletion_refused(&old) {
            return Err(Status::forbidden(&resource.group_resource(), old_object.name(), why).into());
        }
        let admission = cx.admission_request(Operation::Delete, Some(&old));
        cx.admission.mutate(&admission, &mut old.clone()).await?;
        cx.admission.validate(&admission, &old).await?;
        let step = plan(&*resource.strategy, &old, options, self.clock.now());
        if cx.dry_run {
            return self.rehearsed_delete(resource, old_object, &old, step).await;
        }
        let failure = |error| Failure::of_write(&error, resource, old_object.name());
        match step {
            Step::Nothing => Ok(Deleted::Terminating(self.present(resource, old_object.clone()).await?)),
            Step::Remove => {
                self.write_away(resource, old_object).await.map_err(failure)?;
                Ok(gone(resource, &old))
            }
            Step::Mark(marked) => {
                let marked = self.to_store(resource, &marked).await?;
                let marked = self.write_over(resource, old_object, &marked).await.map_err(failure)?;
                Ok(Deleted::Terminating(self.present(resource, marked).await?))
            }
            Step::MarkAndRemove(marked) => {
                let marked = self.to_store(resource, &marked).await?;
                let marked = self.write_over(resource, old_object, &marked).await.map_err(failure)?;
                match self.write_away(resource, &marked).await {
                    // The node agent may have seen the mark and been quicker.
                    Ok(_) | Err(Error::NotFound(_)) => Ok(gone(resource, &old)),
                    Err(error) => Err(failure(error)),
                }
            }
        }
    }

    async fn rehearsed_delete(
        &self,
        resource: &Resource,
        old_object: &Arc<Object>,
        old: &Value,
        step: Step,
    ) -> Result<Deleted, Failure> {
        match step {
            Step::Nothing => Ok(Deleted::Terminating(self.present(resource, old_object.clone()).await?)),
            Step::Mark(marked) => {
                let marked = self.unstored(old_object.key().clone(), old_object.revision(), &marked)?;
                Ok(Deleted::Terminating(self.present(resource, marked).await?))
            }
            Step::Remove | Step::MarkAndRemove(_) => Ok(gone(resource, old)),
        }
    }
}

/// Upstream answers a delete that is done with a Status, or for pods with the object; clients take both.
fn gone(resource: &Resource, old: &Value) -> Deleted {
    let status = Status::deleted(&resource.group_resource(), object::name(old), object::uid(old));
    Deleted::Gone(status.to_value())
}

/// # Errors
/// 409 with upstream's words (`rest.BeforeDelete`).
pub(crate) fn check_preconditions(
    resource: &Resource,
    preconditions: &Preconditions,
    old: &Value,
) -> Result<(), Status> {
    let conflict = |why: String| Err(Status::conflict(&resource.group_resource(), object::name(old), why));
    let (uid, version) = (object::uid(old), object::resource_version(old));
    if let Some(wanted) = preconditions.uid.as_deref().filter(|wanted| *wanted != uid) {
        return conflict(format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been deleted and \
             then recreated"
        ));
    }
    if let Some(wanted) = preconditions.resource_version.as_deref().filter(|wanted| *wanted != version) {
        return conflict(format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). The object \
             might have been modified"
        ));
    }
    Ok(())
}

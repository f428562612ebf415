//! `update`: the whole object again, through the main resource or a subresource that takes all of it.

use std::sync::Arc;

use sampan_api::request::Operation;
use sampan_meta::{Status, object};
use serde_json::Value;

use super::change::{CONFLICT_RETRIES, Failure, differ, unversioned};
use super::create::{name_mismatch, settle_namespace};
use crate::context::RequestContext;
use crate::managed_fields::Tracking;
use crate::object::Object;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::validation;

/// What an update or a patch answers.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The object as stored; when the write removed its last finalizer, the state it ended with.
    pub object: Arc<Object>,
    /// It was not there before (201).
    pub created: bool,
}

impl Registry {
    /// Replaces the object named in `cx.attributes`, through its subresource if one is named: `status`, `scale`, `finalize`, `approval`.
    ///
    /// With a resourceVersion it is a compare-and-swap. Without one it replaces whatever is there, where the kind allows that.
    ///
    /// # Errors
    /// As [`Registry::create`]; 409 when the resourceVersion or uid is not the object's.
    pub async fn update(&self, cx: &RequestContext<'_>, resource: &Resource, object: Value) -> Result<Updated, Status> {
        if cx.attributes.subresource == "scale" {
            return Box::pin(self.update_scale(cx, resource, object)).await;
        }
        let mut sent = resource.stored_form(object)?;
        resource.check_kind(&sent)?;
        settle_namespace(cx, resource, &mut sent)?;
        check_name(cx, &mut sent)?;
        self.check_versioned(cx, resource, &sent)?;
        if self.creates(cx, resource, &sent).await? {
            let object = self.create_object(cx, resource, sent, Tracking::ByUpdate).await?;
            return Ok(Updated { object, created: true });
        }
        let conditional = !object::resource_version(&sent).is_empty();
        let mut sent = Some(sent);
        let object = self
            .modify(cx, resource, !conditional, Tracking::ByUpdate, |old| {
                let wanted = sent.as_ref().ok_or_else(|| Status::internal("an update was tried twice"))?;
                check_precondition(resource, wanted, old)?;
                let wanted = if conditional { sent.take() } else { sent.clone() };
                wanted.ok_or_else(|| Status::internal("an update was tried twice"))
            })
            .await?;
        Ok(Updated { object, created: false })
    }

    /// A kind that must not be replaced blindly says so. Upstream: `AllowUnconditionalUpdate`.
    fn check_versioned(&self, cx: &RequestContext<'_>, resource: &Resource, sent: &Value) -> Result<(), Status> {
        if !object::resource_version(sent).is_empty() || resource.strategy.allow_unconditional_update() {
            return Ok(());
        }
        let path = sampan_meta::field::Path::new("metadata").child("resourceVersion");
        let error = sampan_meta::field::invalid(&path, 0, "must be specified for an update");
        Err(Status::invalid(resource.names.group, resource.names.kind, &cx.attributes.name, vec![error]))
    }

    /// Whether a PUT means a create: nothing is there, and the kind allows it.
    async fn creates(&self, cx: &RequestContext<'_>, resource: &Resource, sent: &Value) -> Result<bool, Status> {
        if !resource.strategy.allow_create_on_update() || !cx.attributes.subresource.is_empty() {
            return Ok(false);
        }
        let fresh = object::uid(sent).is_empty() && object::resource_version(sent).is_empty();
        let key = self.key(resource, object::namespace(sent), object::name(sent));
        match self.existing(resource, &key).await {
            Ok(_) => Ok(false),
            Err(status) if status.is_not_found() => Ok(fresh),
            Err(status) => Err(status),
        }
    }

    /// The compare-and-swap loop of every change. `next` makes the wanted object of the present one; when it conflicts with a state
    /// that may be stale, it is asked again with a fresh one. `retries` says whether it may be asked again after a lost race, `tracking`
    /// whether it has settled who owns what.
    pub(crate) async fn modify(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        retries: bool,
        tracking: Tracking,
        mut next: impl FnMut(&Value) -> Result<Value, Status> + Send,
    ) -> Result<Arc<Object>, Status> {
        let name = &cx.attributes.name;
        let key = self.key(resource, &cx.attributes.namespace, name);
        let mut fresh = false;
        for _ in 0..=CONFLICT_RETRIES {
            let old_object = self.existing(resource, &key).await?;
            let old = self.state(resource, &old_object).await?;
            let wanted = match next(&old) {
                Err(status) if !fresh && status.is_conflict() => {
                    fresh = true;
                    self.refresh().await?;
                    match self.cache.get(&key).filter(|now| now.revision() != old_object.revision()) {
                        Some(_) => continue,
                        None => return Err(status),
                    }
                }
                wanted => wanted?,
            };
            match self.modify_once(cx, resource, &old_object, &old, wanted, tracking).await {
                Ok(object) => return self.present(resource, object).await,
                Err(Failure::Final(status)) => return Err(status),
                Err(Failure::Raced) if !retries => break,
                Err(Failure::Raced) => self.refresh().await.map(drop)?,
            }
        }
        Err(Status::modified(&resource.group_resource(), name))
    }

    async fn modify_once(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        old_object: &Arc<Object>,
        old: &Value,
        mut object: Value,
        tracking: Tracking,
    ) -> Result<Arc<Object>, Failure> {
        resource.default(&mut object);
        if tracking == Tracking::ByUpdate {
            self.record(cx, resource, Some(old), &mut object).await;
        }
        let admission = cx.admission_request(Operation::Update, Some(old));
        cx.admission.mutate(&admission, &mut object).await?;
        resource.default(&mut object);
        prepare(cx, resource, &mut object, old);
        if !cx.attributes.subresource.is_empty() {
            resource.strategy.record_time(&mut object, old, self.clock.now());
        }
        let reservation = self.reserved(cx, resource, &mut object, Some(old)).await?;
        let written = self.admit_and_write(cx, resource, old_object, old, &object).await;
        reservation.settle(written.is_ok()).await;
        written
    }

    async fn admit_and_write(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        old_object: &Arc<Object>,
        old: &Value,
        object: &Value,
    ) -> Result<Arc<Object>, Failure> {
        self.check_changed(cx, resource, object, old)?;
        let admission = cx.admission_request(Operation::Update, Some(old));
        cx.admission.validate(&admission, object).await?;
        if !differ(object, old) && !resource.is_outdated(old_object) {
            return Ok(old_object.clone());
        }
        self.write_changed(cx, resource, old_object, old, object).await
    }

    fn check_changed(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        object: &Value,
        old: &Value,
    ) -> Result<(), Status> {
        let strategy = &resource.strategy;
        let mut errors = validation::metadata::validate_update(object, old);
        match written_part(cx) {
            "" => {
                errors.extend(resource.validate_update(object, old));
                strategy.warnings(object).into_iter().for_each(|warning| cx.warn(warning));
            }
            subresource => errors.extend(strategy.validate_status_update(subresource, object, old)),
        }
        resource.refuse(object, errors)
    }

    async fn write_changed(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        old_object: &Arc<Object>,
        old: &Value,
        object: &Value,
    ) -> Result<Arc<Object>, Failure> {
        if cx.dry_run {
            return Ok(self.unstored(old_object.key().clone(), old_object.revision(), object)?);
        }
        let written = if released(resource, object, old) {
            match self.write_away(resource, old_object).await {
                Ok(revision) => return Ok(self.unstored(old_object.key().clone(), revision.0, object)?),
                Err(error) => Err(error),
            }
        } else {
            let stored = self.to_store(resource, object).await?;
            self.write_over(resource, old_object, &stored).await
        };
        written.map_err(|error| Failure::of_write(&error, resource, old_object.name()))
    }
}

/// The subresource whose rules hold; `scale` is but another way to write the spec.
fn written_part<'a>(cx: &'a RequestContext<'_>) -> &'a str {
    match cx.attributes.subresource.as_str() {
        "scale" => "",
        subresource => subresource,
    }
}

/// Whether this write takes the last hold off an object whose deletion has begun. Upstream: `ShouldDeleteDuringUpdate`.
fn released(resource: &Resource, object: &Value, old: &Value) -> bool {
    object::deletion_timestamp(old).is_some()
        && object::deletion_grace_period_seconds(old).unwrap_or(0) == 0
        && object::finalizers(object).next().is_none()
        && !resource.strategy.held(object)
}

/// Brings back what the client may not change. Upstream: `rest.BeforeUpdate` and the strategies' `PrepareForUpdate`.
fn prepare(cx: &RequestContext<'_>, resource: &Resource, object: &mut Value, old: &Value) {
    unversioned(object);
    for field in ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        keep_metadata(object, old, field);
    }
    let strategy = &resource.strategy;
    match written_part(cx) {
        "" => {
            if resource.subresource("status").is_some() {
                keep(object, old, "status");
            }
            strategy.prepare_update(object, old);
            if strategy.has_generation() && strategy.spec_changed(object, old) {
                object::set_generation(object, object::generation(old) + 1);
            }
        }
        subresource => {
            keep_all_but(object, old, strategy.subresource_members(subresource));
            strategy.prepare_status_update(subresource, object, old);
        }
    }
}

/// Puts everything back to what it was but the metadata and the members a subresource writes.
fn keep_all_but(object: &mut Value, old: &Value, written: &[&str]) {
    let members = [&*object, old].into_iter().filter_map(Value::as_object).flat_map(|members| members.keys());
    let kept = |name: &&String| name.as_str() != "metadata" && !written.contains(&name.as_str());
    let kept: Vec<String> = members.filter(kept).cloned().collect();
    kept.iter().for_each(|member| keep(object, old, member));
}

/// Puts a member back to what it was.
pub(crate) fn keep(object: &mut Value, old: &Value, member: &str) {
    let Some(members) = object.as_object_mut() else { return };
    match old.get(member) {
        Some(value) => members.insert(member.to_owned(), value.clone()),
        None => members.remove(member),
    };
}

/// Puts a member of `metadata` back to what it was.
pub(crate) fn keep_metadata(object: &mut Value, old: &Value, member: &str) {
    match object::get(old, &["metadata", member]) {
        Some(value) => object::set(object, &["metadata", member], value.clone()),
        None => drop(object::remove(object, &["metadata", member])),
    }
}

fn check_name(cx: &RequestContext<'_>, sent: &mut Value) -> Result<(), Status> {
    let asked = &cx.attributes.name;
    match object::name(sent) {
        "" => object::set_name(sent, asked.clone()),
        name if name == asked => (),
        name => return Err(name_mismatch(name, asked)),
    }
    Ok(())
}

/// The uid and resourceVersion in a sent object are conditions on the one that is there.
pub(crate) fn check_precondition(resource: &Resource, wanted: &Value, old: &Value) -> Result<(), Status> {
    let (uid, old_uid) = (object::uid(wanted), object::uid(old));
    if !uid.is_empty() && uid != old_uid {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {old_uid}");
        return Err(Status::conflict(&resource.group_resource(), object::name(old), why));
    }
    let version = object::resource_version(wanted);
    if !matches!(version, "" | "0") && version != object::resource_version(old) {
        return Err(Status::modified(&resource.group_resource(), object::name(old)));
    }
    Ok(())
}

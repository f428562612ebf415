//! `apply`: server-side apply, a patch that says what its author wants and owns it from then on. Upstream: `applyPatcher`, KEP-555.

use sampan_meta::{GroupResource, GroupVersionKind, Status, object};
use serde_json::Value;

use super::change::CONFLICT_RETRIES;
use super::create::name_mismatch;
use super::update::{Updated, check_precondition};
use crate::context::RequestContext;
use crate::managed_fields::{self, Tracking};
use crate::registry::Registry;
use crate::resource::Resource;

impl Registry {
    /// Applies a configuration to the object named in `cx.attributes`, through its subresource if one is named; makes the object if there is
    /// none. What the field manager applied before and mentions no more goes, unless others own it. With `force` fields of others are
    /// taken over.
    ///
    /// # Errors
    /// As [`Registry::update`]; 400 for a configuration of another kind or with managedFields, 409 with one cause a field that others own
    /// with another value, 500 for one that is not of its type (as upstream has it).
    pub async fn apply(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        config: Value,
        force: bool,
    ) -> Result<Updated, Status> {
        if cx.attributes.subresource == "scale" {
            check_config(&config, &GroupVersionKind::new("autoscaling", "v1", "Scale"))?;
            let writer = self.scale_writer(cx);
            let apply = |now: Value| managed_fields::apply(&writer, Some(&now), &config, force);
            return Box::pin(self.change_scale(cx, resource, true, Tracking::Settled, apply)).await;
        }
        check_config(&config, &resource.group_version_kind())?;
        for _ in 0..CONFLICT_RETRIES {
            match self.apply_to_existing(cx, resource, &config, force).await {
                Err(status) if absent(cx, resource, &status) => (),
                outcome => return outcome,
            }
            match Box::pin(self.apply_to_nothing(cx, resource, &config, force)).await {
                // Somebody has made it meanwhile.
                Err(status) if status.is_already_exists() => self.refresh().await.map(drop)?,
                outcome => return outcome,
            }
        }
        Err(Status::modified(&resource.group_resource(), &cx.attributes.name))
    }

    async fn apply_to_existing(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        config: &Value,
        force: bool,
    ) -> Result<Updated, Status> {
        let writer = self.writer(cx, resource);
        let converter = self.converter(resource);
        loop {
            let mut incomplete = false;
            let applied = self.modify(cx, resource, true, Tracking::Settled, |old| {
                let live = resource.served_form(old.clone())?;
                let wanted = managed_fields::apply(&writer, Some(&live), config, force);
                incomplete = writer.is_incomplete();
                if incomplete {
                    return Err(Status::internal("a conversion is missing"));
                }
                let wanted = wanted?;
                check_place(cx, resource, &wanted)?;
                check_precondition(resource, &wanted, old)?;
                resource.stored_form(wanted)
            });
            let applied = applied.await;
            match &converter {
                Some(converter) if incomplete => drop(writer.ask(converter).await),
                _ => return Ok(Updated { object: applied?, created: false }),
            }
        }
    }

    async fn apply_to_nothing(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        config: &Value,
        force: bool,
    ) -> Result<Updated, Status> {
        let wanted = managed_fields::apply(&self.writer(cx, resource), None, config, force)?;
        let uid = object::uid(&wanted);
        if !uid.is_empty() {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(Status::conflict(&resource.group_resource(), &cx.attributes.name, why));
        }
        check_place(cx, resource, &wanted)?;
        let object = self.create_object(cx, resource, wanted, Tracking::Settled).await?;
        Ok(Updated { object, created: true })
    }
}

/// Whether the object itself is not there, and may be made. A subresource makes none.
fn absent(cx: &RequestContext<'_>, resource: &Resource, status: &Status) -> bool {
    let GroupResource { group, resource } = resource.group_resource();
    let about = |details: &sampan_meta::StatusDetails| details.kind == resource && details.group == group;
    cx.attributes.subresource.is_empty() && status.is_not_found() && status.details.as_deref().is_some_and(about)
}

fn check_config(config: &Value, wanted: &GroupVersionKind) -> Result<(), Status> {
    let given = object::group_version_kind(config);
    if given != *wanted {
        return Err(Status::bad_request(format!("invalid object type: {given}")));
    }
    if object::get(config, &["metadata", "managedFields"]).is_some() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

/// Upstream: `EnsureObjectNamespaceMatchesRequestNamespace`, `checkName`.
fn check_place(cx: &RequestContext<'_>, resource: &Resource, wanted: &Value) -> Result<(), Status> {
    let namespace = object::namespace(wanted);
    if resource.namespaced && !namespace.is_empty() && namespace != cx.attributes.namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    match (object::name(wanted), &cx.attributes.name) {
        ("", _) => {
            let why = "the name of the object (based on URL) was undeterminable: name must be provided";
            Err(Status::bad_request(why))
        }
        (name, asked) if name == asked => Ok(()),
        (name, asked) => Err(name_mismatch(name, asked)),
    }
}

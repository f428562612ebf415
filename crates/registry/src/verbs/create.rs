//! `create`: a new object, named, stamped, admitted, checked and written once.

use std::sync::Arc;

use sampan_api::request::Operation;
use sampan_meta::{Status, new_uid, object, random_suffix};
use sampan_store::Error;
use serde_json::Value;

use super::change::{unversioned, write_status};
use crate::allocator::Reservation;
use crate::context::RequestContext;
use crate::managed_fields::Tracking;
use crate::object::Object;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::validation;

/// How many generated names are tried. Upstream: `maxNameGenerationCreateAttempts`.
const NAME_ATTEMPTS: usize = 8;
/// Letters behind a `generateName`. Upstream: `randomLength`.
const SUFFIX_LENGTH: usize = 5;
/// The part of a `generateName` that is kept. Upstream: `MaxGeneratedNameLength`.
const BASE_LENGTH: usize = 58;

/// What a create answers.
#[derive(Clone, Debug)]
pub enum Created {
    /// The object as stored.
    Object(Arc<Object>),
    /// A `Status` of success: `binding`, `eviction`.
    Done(Value),
}

impl Registry {
    /// Creates an object, or posts to a subresource that takes posts: `pods/binding` (also as `bindings`), `pods/eviction`.
    ///
    /// # Errors
    /// 400 for a name or namespace that contradicts the path, 403 from admission or for a namespace that is going, 404 for a namespace
    /// that is not there, 409 when the name is taken, 422 for an invalid object, 5xx retryable while the store does not write.
    pub async fn create(&self, cx: &RequestContext<'_>, resource: &Resource, object: Value) -> Result<Created, Status> {
        match (cx.attributes.subresource.as_str(), resource.names.kind) {
            ("binding", _) | ("", "Binding") => Box::pin(self.bind(cx, object)).await.map(Created::Done),
            ("eviction", _) => Box::pin(self.evict(cx, &object)).await.map(Created::Done),
            ("", _) => self.create_object(cx, resource, object, Tracking::ByUpdate).await.map(Created::Object),
            _ => Err(Status::method_not_supported(&resource.group_resource(), "create")),
        }
    }

    pub(crate) async fn create_object(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        sent: Value,
        tracking: Tracking,
    ) -> Result<Arc<Object>, Status> {
        refuse_terminating(resource)?;
        let mut object = resource.stored_form(sent)?;
        let generated = self.identify(cx, resource, &mut object)?;
        self.check_namespace(resource, &object).await?;
        resource.default(&mut object);
        if tracking == Tracking::ByUpdate {
            self.record(cx, resource, None, &mut object).await;
        }
        let admission = cx.admission_request(Operation::Create, None);
        cx.admission.mutate(&admission, &mut object).await?;
        resource.default(&mut object);
        self.stamp(resource, &mut object);
        resource.strategy.prepare_create(&mut object);
        resource.strategy.record_author(&mut object, &cx.attributes.user);
        let reservation = self.reserved(cx, resource, &mut object, None).await?;
        let created = self.admit_and_create(cx, resource, object, generated).await;
        reservation.settle(created.is_ok()).await;
        self.present(resource, created?).await
    }

    async fn admit_and_create(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        mut object: Value,
        generated: Option<String>,
    ) -> Result<Arc<Object>, Status> {
        self.check_new(cx, resource, &object)?;
        let admission = cx.admission_request(Operation::Create, None);
        cx.admission.validate(&admission, &object).await?;
        if cx.dry_run {
            return self.rehearsed(resource, &object).await;
        }
        self.write_named(resource, &mut object, generated).await
    }

    /// Settles name and namespace; answers the `generateName` the name was made of.
    fn identify(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        object: &mut Value,
    ) -> Result<Option<String>, Status> {
        resource.check_kind(object)?;
        if !object::resource_version(object).is_empty() {
            return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
        }
        settle_namespace(cx, resource, object)?;
        let asked = &cx.attributes.name;
        let name = object::name(object);
        if !asked.is_empty() && !name.is_empty() && asked != name {
            return Err(name_mismatch(name, asked));
        }
        let base = object::generate_name(object);
        if !name.is_empty() || base.is_empty() {
            return Ok(None);
        }
        let base = base.to_owned();
        let name = self.generated_name(&base);
        object::set_name(object, name);
        Ok(Some(base))
    }

    fn generated_name(&self, base: &str) -> String {
        let end = (0..=base.len().min(BASE_LENGTH)).rev().find(|end| base.is_char_boundary(*end)).unwrap_or(0);
        format!("{}{}", &base[..end], random_suffix(&*self.entropy, SUFFIX_LENGTH))
    }

    /// A namespaced object needs a namespace that is there and stays. Upstream: admission plugin `NamespaceLifecycle`.
    async fn check_namespace(&self, resource: &Resource, object: &Value) -> Result<(), Status> {
        if !resource.namespaced {
            return Ok(());
        }
        let name = object::namespace(object);
        let namespaces = self.namespaces();
        let namespace = self.existing(namespaces, &self.key(namespaces, "", name)).await?;
        if namespace.field("status.phase") != Some("Terminating") {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {name} because it is being terminated");
        let status = Status::forbidden(&resource.group_resource(), object::name(object), why);
        let cause = format!("namespace {name} is being terminated");
        Err(status.with_cause("NamespaceTerminating", cause, "metadata.namespace"))
    }

    /// Sets what the server owns in the metadata of a new object. Upstream: `rest.BeforeCreate`.
    fn stamp(&self, resource: &Resource, object: &mut Value) {
        unversioned(object);
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
            object::remove(object, &["metadata", field]);
        }
        object::set_uid(object, new_uid(&*self.entropy));
        object::set_creation_timestamp(object, self.clock.now());
        if resource.strategy.has_generation() {
            object::set_generation(object, 1);
        }
    }

    fn check_new(&self, cx: &RequestContext<'_>, resource: &Resource, object: &Value) -> Result<(), Status> {
        let mut errors = validation::metadata::validate(object, resource.namespaced, resource.strategy.name_rule());
        errors.extend(resource.validate(object));
        resource.refuse(object, errors)?;
        resource.strategy.warnings(object).into_iter().for_each(|warning| cx.warn(warning));
        Ok(())
    }

    /// Sets aside what the object needs for itself alone.
    pub(crate) async fn reserved(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<Reservation, Status> {
        match resource.strategy.reserve(self, object, old, cx.dry_run) {
            Some(reserving) => reserving.await,
            None => Ok(Reservation::none()),
        }
    }

    async fn rehearsed(&self, resource: &Resource, object: &Value) -> Result<Arc<Object>, Status> {
        let key = self.key(resource, object::namespace(object), object::name(object));
        self.refresh().await?;
        if self.cache.get(&key).is_some() {
            return Err(Status::already_exists(&resource.group_resource(), &key.name));
        }
        self.unstored(key, 0, object)
    }

    /// Writes under the object's name, and under another generated one while that is taken.
    async fn write_named(
        &self,
        resource: &Resource,
        object: &mut Value,
        generated: Option<String>,
    ) -> Result<Arc<Object>, Status> {
        for _ in 0..NAME_ATTEMPTS {
            let key = self.key(resource, object::namespace(object), object::name(object));
            let stored = self.to_store(resource, object).await?;
            match (self.write_new(resource, key, &stored).await, &generated) {
                (Err(Error::Exists(_)), Some(base)) => object::set_name(object, self.generated_name(base)),
                (Err(error), _) => return Err(write_status(&error, resource, object::name(object))),
                (Ok(created), _) => return Ok(created),
            }
        }
        Err(Status::generate_name_conflict(&resource.group_resource(), object::name(object), 1))
    }
}

/// The namespace of the path and of the object have to agree; either may be left out.
/// Upstream: `EnsureObjectNamespaceMatchesRequestNamespace`.
pub(crate) fn settle_namespace(cx: &RequestContext<'_>, resource: &Resource, object: &mut Value) -> Result<(), Status> {
    if !resource.namespaced {
        object::set_namespace(object, "");
        return Ok(());
    }
    let (asked, own) = (cx.attributes.namespace.as_str(), object::namespace(object));
    if asked.is_empty() && own.is_empty() {
        return Err(Status::bad_request("an empty namespace may not be set during creation"));
    }
    if !asked.is_empty() && !own.is_empty() && asked != own {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    if own.is_empty() {
        object::set_namespace(object, asked);
    }
    Ok(())
}

/// Upstream: `apiextensions-apiserver/pkg/apiserver/customresource_handler.go`.
fn refuse_terminating(resource: &Resource) -> Result<(), Status> {
    if !resource.as_custom().is_some_and(|kind| kind.terminating) {
        return Ok(());
    }
    let mut status = Status::method_not_supported(&resource.group_resource(), "create");
    status.message = "create not allowed while custom resource definition is terminating".to_owned();
    Err(status)
}

pub(crate) fn name_mismatch(name: &str, asked: &str) -> Status {
    Status::bad_request(format!("the name of the object ({name}) does not match the name on the URL ({asked})"))
}

//! Resource requests: from verb and subresource to what answers them.

mod delete;
mod may_create;
mod options;
mod read;
mod watch;
mod write;

use std::sync::Arc;

use http::{Response, StatusCode};
use sampan_api::request::Admission;
use sampan_meta::Status;
use sampan_registry::{FieldValidation, Object, RequestContext, Resource};

use crate::body::Body;
use crate::decode::{self, RequestBody};
use crate::encode::{self, Include, TableOptions};
use crate::negotiate::Form;
use crate::pipeline::Call;
use crate::{component_statuses, connect, reply, reviews};

/// Answers a request for a resource.
pub(crate) async fn resource(call: &mut Call, body: RequestBody) -> Result<Response<Body>, Status> {
    let attributes = &call.attributes;
    if !call.remainder.is_empty() && attributes.subresource != "proxy" {
        return Err(Status::path_not_found());
    }
    let Some(resource) = call.server.registry.find(&attributes.group, &attributes.version, &attributes.resource) else {
        return match reviews::find(&attributes.group, &attributes.version, &attributes.resource) {
            Some(review) => reviews::answer(call, review, body).await,
            None => Err(Status::path_not_found()),
        };
    };
    call.warnings.extend(resource.deprecation().map(str::to_owned));
    settle_scope(call, &resource)?;
    if !call.attributes.subresource.is_empty() {
        let declared = resource.subresource(&call.attributes.subresource).ok_or_else(Status::path_not_found)?;
        if !declared.stored {
            return connect::answer(call, &resource, body).await;
        }
    }
    check_verb(call, &resource)?;
    if component_statuses::is(&resource) {
        return component_statuses::answer(call, &resource).await;
    }
    match call.attributes.verb.as_str() {
        "get" => read::get(call, &resource).await,
        "list" => read::list(call, &resource).await,
        "watch" => watch::watch(call, resource).await,
        "create" => write::create(call, &resource, body).await,
        "update" => write::update(call, &resource, body).await,
        "patch" => write::patch(call, &resource, body).await,
        "delete" => delete::one(call, &resource, body).await,
        "deletecollection" => delete::collection(call, &resource, body).await,
        verb => Err(Status::method_not_supported(&resource.group_resource(), verb)),
    }
}

/// A path must have a namespace exactly where the resource has one, but for reads across all of them. Authorization has seen a
/// namespace's own name as its namespace, as upstream's does; objects without a namespace are stored without one.
fn settle_scope(call: &mut Call, resource: &Resource) -> Result<(), Status> {
    let attributes = &mut call.attributes;
    if !resource.namespaced {
        if !attributes.namespace.is_empty() && resource.names.plural != "namespaces" {
            return Err(Status::path_not_found());
        }
        attributes.namespace.clear();
        return Ok(());
    }
    let across = attributes.subresource.is_empty()
        && matches!(attributes.verb.as_str(), "list" | "watch" | "deletecollection" | "create");
    if attributes.namespace.is_empty() && !across {
        return Err(Status::path_not_found());
    }
    Ok(())
}

fn check_verb(call: &Call, resource: &Resource) -> Result<(), Status> {
    let verb = call.attributes.verb.as_str();
    let verbs = match resource.subresource(&call.attributes.subresource) {
        Some(subresource) => subresource.verbs,
        None => resource.verbs,
    };
    let named = !call.attributes.name.is_empty();
    let fits = match verb {
        "create" => !named || !call.attributes.subresource.is_empty(),
        "update" | "patch" => named,
        _ => true,
    };
    if fits && verbs.contains(&verb) {
        return Ok(());
    }
    Err(Status::method_not_supported(&resource.group_resource(), verb))
}

/// What the registry is told about a request.
fn context<'a>(call: &'a Call, dry_run: bool, validation: FieldValidation) -> RequestContext<'a> {
    context_with(call, &*call.server.admission, dry_run, validation)
}

fn context_with<'a>(
    call: &'a Call,
    admission: &'a dyn Admission,
    dry_run: bool,
    validation: FieldValidation,
) -> RequestContext<'a> {
    RequestContext::new(&call.attributes, admission)
        .dry_run(dry_run)
        .field_manager(Some(options::field_manager(call)))
        .field_validation(validation)
}

/// What a read tells the registry.
fn reading(call: &Call) -> RequestContext<'_> {
    RequestContext::new(&call.attributes, &*call.server.admission)
}

pub(crate) fn table_options(call: &Call) -> Result<TableOptions, Status> {
    Ok(TableOptions { include: Include::of(&call.query)?, now: call.server.clock.now() })
}

/// Answers with one object.
pub(crate) fn answer(
    call: &Call,
    code: StatusCode,
    form: Form,
    resource: &Resource,
    object: &Arc<Object>,
) -> Result<Response<Body>, Status> {
    encode::object(code, form, &call.server.registry, resource, object, table_options(call)?)
}

/// Answers with a value that is a `Status`.
fn answer_status(call: &Call, code: StatusCode, status: &serde_json::Value) -> Result<Response<Body>, Status> {
    let media = reply::whole(&call.headers)?;
    let body = encode::value(media, "apis.meta.v1.Status", status)?;
    Ok(reply::with_type(code, media.content_type(), body))
}

/// The body, bounded.
async fn body_of(call: &Call, body: RequestBody) -> Result<bytes::Bytes, Status> {
    decode::read(body, &call.headers, call.server.limits.body).await
}

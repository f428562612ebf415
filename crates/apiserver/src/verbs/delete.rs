//! delete and deletecollection.

use http::{Response, StatusCode};
use sampan_meta::Status;
use sampan_registry::{Deleted, FieldValidation, Resource};

use super::{answer, answer_status, body_of, context, options, table_options};
use crate::body::Body;
use crate::decode::RequestBody;
use crate::pipeline::Call;
use crate::{encode, reply};

pub(super) async fn one(call: &mut Call, resource: &Resource, body: RequestBody) -> Result<Response<Body>, Status> {
    let form = reply::single(&call.headers, resource)?;
    let bytes = body_of(call, body).await?;
    let (options, dry_run) = options::delete(call, &bytes)?;
    let context = context(call, dry_run, FieldValidation::Warn);
    let outcome = call.server.registry.delete(&context, resource, &options).await;
    let (warnings, annotations) = (context.take_warnings(), context.take_annotations());
    call.warnings.extend(warnings);
    call.annotations.extend(annotations);
    match outcome? {
        Deleted::Gone(status) => answer_status(call, StatusCode::OK, &status),
        Deleted::Terminating(object) => answer(call, StatusCode::OK, form, resource, &object),
    }
}

pub(super) async fn collection(
    call: &mut Call,
    resource: &Resource,
    body: RequestBody,
) -> Result<Response<Body>, Status> {
    let form = reply::list(&call.headers, resource)?;
    let bytes = body_of(call, body).await?;
    let list_options = options::list(&call.query)?;
    let (options, dry_run) = options::delete(call, &bytes)?;
    let context = context(call, dry_run, FieldValidation::Warn);
    let list = call.server.registry.delete_collection(&context, resource, &list_options, &options).await?;
    encode::list(form, &call.server.registry, resource, list, table_options(call)?)
}

//! get and list.

use http::{Response, StatusCode};
use sampan_meta::Status;
use sampan_registry::Resource;

use super::{answer, options, reading, table_options};
use crate::body::Body;
use crate::pipeline::Call;
use crate::{encode, reply};

pub(super) async fn get(call: &mut Call, resource: &Resource) -> Result<Response<Body>, Status> {
    let form = reply::single(&call.headers, resource)?;
    let version = call.query.get("resourceVersion").unwrap_or_default();
    let object = call.server.registry.get(&reading(call), resource, version).await?;
    answer(call, StatusCode::OK, form, resource, &object)
}

pub(super) async fn list(call: &mut Call, resource: &Resource) -> Result<Response<Body>, Status> {
    let form = reply::list(&call.headers, resource)?;
    let options = options::list(&call.query)?;
    let context = reading(call);
    let list = call.server.registry.list(&context, resource, &options).await?;
    let warnings = context.take_warnings();
    call.warnings.extend(warnings);
    encode::list(form, &call.server.registry, resource, list, table_options(call)?)
}

//! `serviceaccounts/token`: a TokenRequest, answered with a token.

use http::{Response, StatusCode};
use sampan_api::request::{AdmissionRequest, Operation, Warnings};
use sampan_meta::Status;

use crate::body::Body;
use crate::decode::{self, Expected, RequestBody};
use crate::pipeline::Call;
use crate::{encode, reply};

const TYPE: &str = "authentication.v1.TokenRequest";

pub(super) async fn create(call: &mut Call, body: RequestBody) -> Result<Response<Body>, Status> {
    if call.attributes.verb != "create" {
        return Err(Status::method_not_supported(&call.attributes.group_resource(), &call.attributes.verb));
    }
    let media = reply::whole(&call.headers)?;
    let expected = Expected { api_version: "authentication.k8s.io/v1", kind: "TokenRequest", type_name: TYPE };
    let validation = decode::field_validation(&call.query, "CreateOptions")?;
    let dry_run = decode::dry_run(&call.query, "CreateOptions")?;
    let sent_as = decode::media(&call.headers)?;
    let bytes = decode::read(body, &call.headers, call.server.limits.body).await?;
    let mut request = decode::object(&bytes, sent_as, expected, validation, &mut call.warnings)?;
    let warnings = Warnings::default();
    let (attributes, operation) = (&call.attributes, Operation::Create);
    let admission = AdmissionRequest { attributes, operation, old: None, dry_run, warnings: &warnings };
    call.server.admission.mutate(&admission, &mut request).await?;
    call.server.admission.validate(&admission, &request).await?;
    call.warnings.extend(warnings.take());
    let mut answer = call.server.tokens.token_request(&call.attributes.namespace, &call.attributes.name, &request)?;
    if dry_run {
        answer["status"]["token"] = "".into();
    }
    Ok(reply::with_type(StatusCode::CREATED, media.content_type(), encode::value(media, TYPE, &answer)?))
}

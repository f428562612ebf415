//! create, update, patch and apply.

use http::{Response, StatusCode};
use sampan_meta::field::{self, Path};
use sampan_meta::{GroupVersion, Status};
use sampan_registry::{Created, PatchKind, Resource, Updated};

use super::may_create::MayCreate;
use super::{answer, answer_status, body_of, context, context_with, options};
use crate::body::Body;
use crate::decode::{self, Expected, RequestBody};
use crate::discovery::kind_of;
use crate::pipeline::Call;
use crate::reply;

/// The media types of patches, as the error lists them.
const PATCHES: [&str; 4] =
    ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json", APPLY];
const APPLY: &str = "application/apply-patch+yaml";

pub(super) async fn create(call: &mut Call, resource: &Resource, body: RequestBody) -> Result<Response<Body>, Status> {
    let form = reply::single(&call.headers, resource)?;
    let (dry_run, validation) = parameters(call, "CreateOptions")?;
    let object = decoded(call, resource, body, validation).await?;
    let context = context(call, dry_run, validation);
    let outcome = call.server.registry.create(&context, resource, object).await;
    let (warnings, annotations) = (context.take_warnings(), context.take_annotations());
    call.warnings.extend(warnings);
    call.annotations.extend(annotations);
    match outcome? {
        Created::Object(object) => answer(call, StatusCode::CREATED, form, resource, &object),
        Created::Done(status) => answer_status(call, StatusCode::CREATED, &status),
    }
}

pub(super) async fn update(call: &mut Call, resource: &Resource, body: RequestBody) -> Result<Response<Body>, Status> {
    let form = reply::single(&call.headers, resource)?;
    let (dry_run, validation) = parameters(call, "UpdateOptions")?;
    let object = decoded(call, resource, body, validation).await?;
    let admission = MayCreate::of(call);
    let context = context_with(call, &admission, dry_run, validation);
    let outcome = call.server.registry.update(&context, resource, object).await;
    let (warnings, annotations) = (context.take_warnings(), context.take_annotations());
    call.warnings.extend(warnings);
    call.annotations.extend(annotations);
    updated(call, form, resource, outcome?)
}

pub(super) async fn patch(call: &mut Call, resource: &Resource, body: RequestBody) -> Result<Response<Body>, Status> {
    let content_type = decode::content_type(&call.headers);
    if content_type == APPLY {
        return apply(call, resource, body).await;
    }
    let form = reply::single(&call.headers, resource)?;
    let kind = patch_kind(content_type)?;
    let (dry_run, validation) = parameters(call, "PatchOptions")?;
    if call.query.has("force") {
        let path = Path::new("force");
        let error = field::forbidden(&path, "may not be specified for non-apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", vec![error]));
    }
    let bytes = body_of(call, body).await?;
    let context = context(call, dry_run, validation);
    let outcome = call.server.registry.patch(&context, resource, kind, &bytes).await;
    let (warnings, annotations) = (context.take_warnings(), context.take_annotations());
    call.warnings.extend(warnings);
    call.annotations.extend(annotations);
    updated(call, form, resource, outcome?)
}

/// Server-side apply.
async fn apply(call: &mut Call, resource: &Resource, body: RequestBody) -> Result<Response<Body>, Status> {
    let form = reply::single(&call.headers, resource)?;
    options::required_field_manager(&call.query)?;
    let (dry_run, validation) = parameters(call, "PatchOptions")?;
    let bytes = body_of(call, body).await?;
    let config = decode::apply_configuration(&bytes, validation, &mut call.warnings)?;
    let admission = MayCreate::of(call);
    let context = context_with(call, &admission, dry_run, validation);
    let outcome = call.server.registry.apply(&context, resource, config, call.query.flag("force")).await;
    let (warnings, annotations) = (context.take_warnings(), context.take_annotations());
    call.warnings.extend(warnings);
    call.annotations.extend(annotations);
    updated(call, form, resource, outcome?)
}

fn parameters(call: &Call, kind: &str) -> Result<(bool, sampan_registry::FieldValidation), Status> {
    options::check_field_manager(&call.query, kind)?;
    Ok((decode::dry_run(&call.query, kind)?, decode::field_validation(&call.query, kind)?))
}

fn updated(
    call: &Call,
    form: crate::negotiate::Form,
    resource: &Resource,
    updated: Updated,
) -> Result<Response<Body>, Status> {
    let code = if updated.created { StatusCode::CREATED } else { StatusCode::OK };
    answer(call, code, form, resource, &updated.object)
}

fn patch_kind(content_type: &str) -> Result<PatchKind, Status> {
    match content_type {
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchKind::Strategic),
        _ => Err(Status::unsupported_media_type(&PATCHES)),
    }
}

async fn decoded(
    call: &mut Call,
    resource: &Resource,
    body: RequestBody,
    validation: sampan_registry::FieldValidation,
) -> Result<serde_json::Value, Status> {
    let sent_as = decode::media(&call.headers)?;
    let bytes = body_of(call, body).await?;
    let sent = SentAs::of(call, resource);
    let expected = Expected { api_version: &sent.api_version, kind: sent.kind, type_name: &sent.type_name };
    let object = match resource.is_custom() && sent.kind == resource.names.kind {
        true => decode::custom_object(&bytes, sent_as, resource, validation, &mut call.warnings)?,
        false => decode::object(&bytes, sent_as, expected, validation, &mut call.warnings)?,
    };
    call.target.is(&object);
    Ok(object)
}

/// The type a body has: the resource's, or the one its subresource takes (`Scale`, `Binding`, `Eviction`).
struct SentAs {
    api_version: String,
    kind: &'static str,
    type_name: String,
}

impl SentAs {
    fn of(call: &Call, resource: &Resource) -> Self {
        let own = |kind: &'static str| Self {
            api_version: resource.api_version(),
            kind,
            type_name: resource.type_name.to_owned(),
        };
        let Some(subresource) = resource.subresource(&call.attributes.subresource) else {
            return own(resource.names.kind);
        };
        match kind_of(resource, subresource) {
            ("", "", kind) if kind == resource.names.kind => own(kind),
            ("", "", kind) => {
                let package = resource.type_name.rsplit_once('.').map_or("core.v1", |(package, _)| package);
                Self { api_version: resource.api_version(), kind, type_name: format!("{package}.{kind}") }
            }
            (group, version, kind) => Self {
                api_version: GroupVersion::new(group, version).api_version(),
                kind,
                type_name: format!("{}.{version}.{kind}", group.split('.').next().unwrap_or_default()),
            },
        }
    }
}

//! Answers that are no stored object: statuses, documents, plain text; and the headers every answer carries.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use sampan_meta::Status;
use sampan_registry::Resource;
use serde_json::Value;

use crate::body::Body;
use crate::encode;
use crate::negotiate::{self, Form, Media, OFFERED, Shape};

/// `audit-id`: names the request in logs and in the answer.
pub(crate) const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// An answer of one media type.
pub(crate) fn with_type(code: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Plain text, as the health checks speak.
pub(crate) fn text(code: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = with_type(code, "text/plain; charset=utf-8", body);
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// A JSON document that is no API object.
pub(crate) fn json(code: StatusCode, document: &Value) -> Response<Body> {
    with_type(code, Media::Json.content_type(), document.to_string())
}

/// The form of failures: what the client takes; JSON if it takes none of ours, since a failure must be told.
pub(crate) fn failure_media(headers: &HeaderMap) -> Media {
    negotiate::accept(headers, |_| true).map_or(Media::Json, |form| form.media)
}

/// A failure as an answer.
pub(crate) fn failure(status: &Status, media: Media) -> Response<Body> {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = encode::value(media, "apis.meta.v1.Status", &status.to_value())
        .unwrap_or_else(|_| status.to_value().to_string().into());
    let mut response = with_type(code, media.content_type(), body);
    if let Some(seconds) =
        status.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0)
    {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The form for answers that can only be whole objects.
pub(crate) fn whole(headers: &HeaderMap) -> Result<Media, Status> {
    let form = negotiate::accept(headers, |form| form.shape == Shape::Whole);
    form.map(|form| form.media).ok_or_else(not_acceptable)
}

/// The form for one object.
pub(crate) fn single(headers: &HeaderMap, resource: &Resource) -> Result<Form, Status> {
    let allowed = |form: Form| match form.shape {
        Shape::Whole => has_form(resource, form.media),
        Shape::Metadata => form.media != Media::Yaml,
        Shape::Table { .. } => form.media == Media::Json,
        Shape::MetadataList | Shape::Discovery { .. } => false,
    };
    negotiate::accept(headers, allowed).ok_or_else(not_acceptable)
}

/// The form for a list.
pub(crate) fn list(headers: &HeaderMap, resource: &Resource) -> Result<Form, Status> {
    let allowed = |form: Form| match form.shape {
        Shape::Whole => has_form(resource, form.media),
        Shape::MetadataList => form.media != Media::Yaml,
        Shape::Table { .. } => form.media == Media::Json,
        Shape::Metadata | Shape::Discovery { .. } => false,
    };
    negotiate::accept(headers, allowed).ok_or_else(not_acceptable)
}

/// The form for a watch: YAML has no frames.
pub(crate) fn stream(headers: &HeaderMap, resource: &Resource) -> Result<Form, Status> {
    let allowed = |form: Form| match form.shape {
        Shape::Whole => form.media != Media::Yaml && has_form(resource, form.media),
        Shape::Metadata => form.media != Media::Yaml,
        Shape::Table { .. } => form.media == Media::Json,
        Shape::MetadataList | Shape::Discovery { .. } => false,
    };
    negotiate::accept(headers, allowed).ok_or_else(not_acceptable)
}

/// Nobody has numbered the fields of custom kinds: they have no protobuf.
fn has_form(resource: &Resource, media: Media) -> bool {
    media != Media::Protobuf || !resource.is_custom()
}

fn not_acceptable() -> Status {
    Status::not_acceptable(&[OFFERED])
}

/// Adds what every answer carries: no caching, the request's id, and warnings as RFC 7234 writes them.
pub(crate) fn dress(response: &mut Response<Body>, audit_id: &str, warnings: &[String]) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(audit_id) {
        headers.insert(AUDIT_ID, id);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
    for warning in warnings {
        if let Ok(value) = HeaderValue::from_str(&warning_header(warning)) {
            headers.append(header::WARNING, value);
        }
    }
}

fn warning_header(text: &str) -> String {
    let mut header = String::with_capacity(text.len() + 10);
    header.push_str("299 - \"");
    for character in text.chars() {
        match character {
            '"' | '\\' => header.extend(['\\', character]),
            control if control.is_control() => header.push(' '),
            other => header.push(other),
        }
    }
    header.push('"');
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_quoted_so_that_clients_read_them_back() {
        assert_eq!(warning_header("unknown field \"spec.x\""), r#"299 - "unknown field \"spec.x\"""#);
        assert_eq!(warning_header("a\nb\\c"), r#"299 - "a b\\c""#);
    }
}

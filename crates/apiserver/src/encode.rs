//! Objects to bytes. What the registry holds encoded is shared; only small frames around it are made here.

mod list;
mod table;
mod watch;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use sampan_meta::{Status, protobuf};
use sampan_registry::{Object, Resource};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::body::Body;
use crate::negotiate::{Form, Media, Shape};
use crate::reply;

pub(crate) use list::list;
pub(crate) use table::Include;
pub(crate) use watch::Frames;

/// Encodes a value of a type of the schema. Without `kind` and `apiVersion` it cannot travel as protobuf.
pub(crate) fn value(media: Media, type_name: &str, value: &Value) -> Result<Body, Status> {
    match media {
        Media::Json => Ok(value.to_string().into()),
        Media::Yaml => yaml(value).map(Body::from),
        Media::Protobuf => protobuf_value(type_name, value).map(Body::from),
    }
}

fn protobuf_value(type_name: &str, value: &Value) -> Result<Vec<u8>, Status> {
    let schema = sampan_api::schema();
    let type_ =
        schema.get(type_name).ok_or_else(|| Status::internal(format!("the schema does not know {type_name}")))?;
    let raw = protobuf::encode(schema, type_, value).map_err(unencodable)?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    Ok(protobuf::envelope::wrap(text("apiVersion"), text("kind"), &raw))
}

fn yaml(value: &Value) -> Result<String, Status> {
    serde_saphyr::to_string(value).map_err(unencodable)
}

fn unencodable(error: impl std::fmt::Display) -> Status {
    Status::internal(format!("the answer could not be encoded: {error}"))
}

/// How tables are to be made (`includeObject`, now for ages).
#[derive(Clone, Copy)]
pub(crate) struct TableOptions {
    pub(crate) include: Include,
    pub(crate) now: Timestamp,
}

/// Answers with one object in the form asked for.
pub(crate) fn object(
    code: StatusCode,
    form: Form,
    registry: &sampan_registry::Registry,
    resource: &Resource,
    object: &Arc<Object>,
    options: TableOptions,
) -> Result<Response<Body>, Status> {
    let body: Body = match (form.shape, form.media) {
        (Shape::Table { beta }, _) => {
            let rows = table::table(registry, resource, std::slice::from_ref(object), options);
            table::document(&rows, beta, table::Columns::Given, &table::list_meta(object.revision(), "", None)).into()
        }
        (Shape::Metadata, Media::Protobuf) => wire::metadata(object)?.into(),
        (Shape::Metadata, _) => partial(object)?.into(),
        (_, Media::Json) => object.json().clone().into(),
        (_, Media::Protobuf) => object.protobuf().map_err(unencodable)?.into(),
        (_, Media::Yaml) => yaml(&object.value())?.into(),
    };
    Ok(reply::with_type(code, form.media.content_type(), body))
}

/// Indents a JSON answer if people are to read it.
pub(crate) fn prettify(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let body = match body.into_blocks() {
        Err(endless) => endless,
        Ok(blocks) => {
            let compact: Vec<u8> = blocks.flat_map(|block| block.to_vec()).collect();
            head.headers.remove(http::header::CONTENT_LENGTH);
            crate::pretty::indent(&compact).into()
        }
    };
    Response::from_parts(head, body)
}

/// True if the answer is a JSON document.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    // What is compressed already is for programs.
    !headers.contains_key(http::header::CONTENT_ENCODING)
        && headers.get(http::header::CONTENT_TYPE).is_some_and(|value| value == Media::Json.content_type())
}

/// The object as `PartialObjectMetadata`, its metadata cut out of the shared bytes.
fn partial(object: &Object) -> Result<Bytes, Status> {
    const HEAD: &str = r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":"#;
    let metadata = metadata(object)?;
    let mut out = Vec::with_capacity(HEAD.len() + metadata.len() + 1);
    out.extend_from_slice(HEAD.as_bytes());
    out.extend_from_slice(metadata.as_bytes());
    out.push(b'}');
    Ok(out.into())
}

/// The bytes of `metadata` within the object's.
fn metadata(object: &Object) -> Result<&str, Status> {
    #[derive(Deserialize)]
    struct Wanted<'a> {
        #[serde(borrow)]
        metadata: &'a RawValue,
    }
    let wanted: Wanted<'_> = serde_json::from_slice(object.json()).map_err(unencodable)?;
    Ok(wanted.metadata.get())
}

//! Bodies for the log, at the levels that want them: copied while they pass, and turned into JSON.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use sampan_meta::protobuf;
use serde_json::Value;

use crate::body::BodyError;
use crate::decode::{self, RequestBody};

/// What passed so far; no more than the server takes of a body.
#[derive(Clone, Default)]
pub(super) struct Copy(Arc<Mutex<Vec<u8>>>);

impl Copy {
    fn add(&self, data: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
    }

    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The body, and a copy of at most `limit` bytes that is made while somebody reads it.
pub(super) fn copied(body: RequestBody, limit: usize) -> (RequestBody, Copy) {
    let copy = Copy::default();
    let copied = Copied { body, copy: copy.clone(), left: limit };
    (RequestBody::new(copied.map_err(BodyError::new)), copy)
}

struct Copied {
    body: RequestBody,
    copy: Copy,
    left: usize,
}

impl http_body::Body for Copied {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(data) = next.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            let part = &data[..data.len().min(self.left)];
            self.left -= part.len();
            self.copy.add(part);
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body as JSON; `None` for what is none of the forms objects have.
pub(super) fn object(headers: &HeaderMap, bytes: &[u8], omit_managed_fields: bool) -> Option<Value> {
    let mut value = match decode::content_type(headers) {
        _ if bytes.is_empty() => return None,
        "application/vnd.kubernetes.protobuf" => protobuf::decode_object(sampan_api::schema(), bytes).ok()?,
        "application/yaml" | "application/apply-patch+yaml" => {
            serde_saphyr::from_str(std::str::from_utf8(bytes).ok()?).ok()?
        }
        _ => serde_json::from_slice(bytes).ok()?,
    };
    if omit_managed_fields {
        without_managed_fields(&mut value);
    }
    Some(value)
}

/// Of an object, of the items of a list, of the rows of a table.
fn without_managed_fields(value: &mut Value) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    for list in ["items", "rows"] {
        for item in value.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            without_managed_fields(item.get_mut("object").unwrap_or(&mut Value::Null));
            without_managed_fields(item);
        }
    }
}

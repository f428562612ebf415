//! Bodies of responses: the host's own, and the guest's with the guest attached.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use wasmtime_wasi_http::{Error, WasiBody};

use super::Task;

/// A short answer in the host's own name.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response<WasiBody> {
    let body = Full::new(Bytes::from_static(text.as_bytes())).map_err(Error::from).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The guest's body. When it is dropped before its end the guest is killed with it; after its end the guest may finish its work.
pub(super) fn guarded(body: WasiBody, task: Task) -> WasiBody {
    let mut guarded = Guarded { expected: body.size_hint().exact(), body, task };
    guarded.release_at_end();
    guarded.boxed_unsync()
}

struct Guarded {
    body: WasiBody,
    /// Bytes to come, when known: the server stops reading after the last one and never sees the end.
    expected: Option<u64>,
    task: Task,
}

impl Guarded {
    fn release_at_end(&mut self) {
        if self.expected == Some(0) || self.body.is_end_stream() {
            self.task.release();
        }
    }
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => self.task.release(),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.expected = self.expected.map(|expected| expected.saturating_sub(length));
                self.release_at_end();
            }
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

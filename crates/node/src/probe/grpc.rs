//! `grpc.health.v1.Health/Check` as probes ask it: over HTTP/2 without TLS, in the kubelet's words (pkg/probe/grpc/grpc.go).

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::handler::Answer;

/// An answer is two bytes in a frame of five; more than this is none.
const MOST_BYTES: usize = 64 << 10;

/// A call to be made.
pub(super) struct Call<'a> {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// Whose health is asked for; the whole server's when empty.
    pub(super) service: &'a str,
    pub(super) timeout: Duration,
}

/// How the call ended when it did not end well: a code of gRPC and what was said with it.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    code: Code,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Code(u8);

const UNKNOWN: Code = Code(2);
const PERMISSION_DENIED: Code = Code(7);
const UNIMPLEMENTED: Code = Code(12);
const INTERNAL: Code = Code(13);
const UNAVAILABLE: Code = Code(14);
const UNAUTHENTICATED: Code = Code(16);

impl Code {
    /// As `google.golang.org/grpc/codes` writes it.
    fn name(self) -> String {
        const NAMES: [&str; 17] = [
            "OK",
            "Canceled",
            "Unknown",
            "InvalidArgument",
            "DeadlineExceeded",
            "NotFound",
            "AlreadyExists",
            "PermissionDenied",
            "ResourceExhausted",
            "FailedPrecondition",
            "Aborted",
            "OutOfRange",
            "Unimplemented",
            "Internal",
            "Unavailable",
            "DataLoss",
            "Unauthenticated",
        ];
        NAMES.get(usize::from(self.0)).map_or_else(|| format!("Code({})", self.0), |name| (*name).to_owned())
    }
}

/// Asks once.
pub(super) async fn check(call: &Call<'_>) -> Answer {
    let Call { timeout, .. } = call;
    let address = std::net::SocketAddr::new(call.address, call.port);
    let begin = tokio::time::Instant::now();
    let stream = match tokio::time::timeout(*timeout, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        // The kubelet would try again until its time is over, and then say less.
        Ok(Err(error)) => {
            return Answer::Failure(format!("error: failed to connect service at \"{address}\": {error}"));
        }
        Err(_) => {
            let why = "context deadline exceeded";
            return Answer::Failure(format!(
                "timeout: failed to connect service \"{address}\" within {}s: {why}",
                timeout.as_secs()
            ));
        }
    };
    match tokio::time::timeout_at(begin + *timeout, exchange(stream, call)).await {
        Ok(Ok(status)) => judge(status),
        Ok(Err(Refusal { code: UNIMPLEMENTED, message })) => Answer::Failure(format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}"
        )),
        Ok(Err(Refusal { code, message })) => Answer::Failure(format!(
            "error: health rpc probe failed: rpc error: code = {} desc = {message}",
            code.name()
        )),
        Err(_) => Answer::Failure(format!("timeout: health rpc did not complete within {}s", timeout.as_secs())),
    }
}

/// What a `ServingStatus` says.
fn judge(status: u64) -> Answer {
    let word = match status {
        0 => "UNKNOWN",
        1 => return Answer::Success,
        2 => "NOT_SERVING",
        3 => "SERVICE_UNKNOWN",
        other => return Answer::Failure(format!("service unhealthy (responded with \"{other}\")")),
    };
    Answer::Failure(format!("service unhealthy (responded with \"{word}\")"))
}

async fn exchange(stream: TcpStream, call: &Call<'_>) -> Result<u64, Refusal> {
    let broken = |error: hyper::Error| Refusal { code: UNAVAILABLE, message: error.to_string() };
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(broken)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let authority = std::net::SocketAddr::new(call.address, call.port);
    let request = http::Request::post(format!("http://{authority}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, "kube-probe/1.36")
        .body(Full::<Bytes>::from(question(call.service)))
        .map_err(|error| Refusal { code: INTERNAL, message: error.to_string() })?;
    read(sender.send_request(request).await.map_err(broken)?).await
}

async fn read(answer: Response<Incoming>) -> Result<u64, Refusal> {
    let (head, body) = answer.into_parts();
    // Without a message, the status stands in the head.
    if let Some(refusal) = refusal(&head.headers) {
        return Err(refusal);
    }
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if head.status != StatusCode::OK || !kind.starts_with("application/grpc") {
        return Err(no_grpc(head.status, kind));
    }
    let body = Limited::new(body, MOST_BYTES).collect().await;
    let body = body.map_err(|error| Refusal { code: UNAVAILABLE, message: error.to_string() })?;
    if let Some(refusal) = body.trailers().and_then(refusal) {
        return Err(refusal);
    }
    serving_status(&body.to_bytes())
        .ok_or_else(|| Refusal { code: INTERNAL, message: "the answer is no HealthCheckResponse".to_owned() })
}

/// `None` where there is no status or a good one.
fn refusal(headers: &HeaderMap) -> Option<Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let code = text("grpc-status")?.parse().map_or(UNKNOWN, Code);
    let message = percent_decode_str(text("grpc-message").unwrap_or_default()).decode_utf8_lossy().into_owned();
    (code != Code(0)).then_some(Refusal { code, message })
}

/// Something that speaks HTTP/2, but not gRPC.
fn no_grpc(status: StatusCode, kind: &str) -> Refusal {
    let code = match status.as_u16() {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    };
    let words = status.canonical_reason().unwrap_or_default();
    let number = status.as_u16();
    let message = format!(
        "unexpected HTTP status code received from server: {number} ({words}); transport: received unexpected content-type \"{kind}\""
    );
    Refusal { code, message }
}

/// A frame with a `HealthCheckRequest {1: service}`.
fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        put_varint(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(&message);
    frame
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low);
            break;
        }
        out.push(low | 0x80);
    }
}

/// Field 1 of a `HealthCheckResponse` in a frame that is not compressed; absent is 0.
fn serving_status(frame: &[u8]) -> Option<u64> {
    let (head, message) = frame.split_at_checked(5)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    if head[0] != 0 || message.len() != usize::try_from(length).ok()? {
        return None;
    }
    match message {
        [] => Some(0),
        [0x08, number @ ..] => varint(number),
        _ => None,
    }
}

/// All of the bytes as one number.
fn varint(bytes: &[u8]) -> Option<u64> {
    let (last, before) = bytes.split_last()?;
    if bytes.len() > 9 || *last >= 0x80 || before.iter().any(|byte| *byte < 0x80) {
        return None;
    }
    Some(bytes.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f)))
}

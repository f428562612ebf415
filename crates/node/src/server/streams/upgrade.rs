//! From an HTTP request to a connection of another protocol: what is asked for, what is agreed on, and the bytes after it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::websocket;

/// The protocol of kubectl's SPDY streams, in a header of the request as often as the client knows protocols.
const STREAM_PROTOCOL: &str = "x-stream-protocol-version";

/// How bytes travel once the connection is upgraded, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    WebSocket,
    Spdy,
}

/// An upgrade that is going to happen.
pub(super) struct Agreed {
    pub(super) carrier: Carrier,
    /// The protocol both know, in the server's words.
    pub(super) protocol: &'static str,
    pending: OnUpgrade,
    answer: Response,
}

impl Agreed {
    /// The 101 for the client, and the connection it turns into.
    pub(super) fn split(self) -> (Response, OnUpgrade) {
        tracing::debug!(protocol = self.protocol, "a connection is upgraded");
        (self.answer, self.pending)
    }
}

/// Reads what a request wants to become. The refusals are the kubelet's (`wsstream`, `httpstream.Handshake`).
pub(super) fn agree(
    request: &mut Request,
    websocket: &[&'static str],
    spdy: &[&'static str],
) -> Result<Agreed, Response> {
    let headers = request.headers();
    let carrier = match value(headers, header::UPGRADE.as_str()).to_ascii_lowercase().as_str() {
        "websocket" => Carrier::WebSocket,
        "spdy/3.1" => Carrier::Spdy,
        _ => {
            return Err(refusal(
                StatusCode::BAD_REQUEST,
                "you must specify at least 1 of an upgrade to websocket or SPDY/3.1",
            ));
        }
    };
    let (offered, known) = match carrier {
        Carrier::WebSocket => (values(headers, header::SEC_WEBSOCKET_PROTOCOL.as_str()), websocket),
        Carrier::Spdy => (values(headers, STREAM_PROTOCOL), spdy),
    };
    let protocol = offered.iter().find_map(|offered| known.iter().find(|known| *known == offered));
    let Some(protocol) = protocol.copied() else { return Err(nothing_in_common(&offered, known)) };
    let mut answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header(header::CONNECTION, "Upgrade");
    answer = match carrier {
        Carrier::WebSocket => {
            let key = value(headers, header::SEC_WEBSOCKET_KEY.as_str());
            if value(headers, header::SEC_WEBSOCKET_VERSION.as_str()) != "13" || key.is_empty() {
                return Err(refusal(StatusCode::BAD_REQUEST, "a websocket needs a key and version 13"));
            }
            answer
                .header(header::UPGRADE, "websocket")
                .header(header::SEC_WEBSOCKET_ACCEPT, websocket::accept(key))
                .header(header::SEC_WEBSOCKET_PROTOCOL, protocol)
        }
        Carrier::Spdy => answer.header(header::UPGRADE, "SPDY/3.1").header(STREAM_PROTOCOL, protocol),
    };
    let answer = answer.body(Body::empty()).expect("the headers are ones");
    let pending = request.extensions_mut().remove::<OnUpgrade>();
    let pending =
        pending.ok_or_else(|| refusal(StatusCode::BAD_REQUEST, "this connection cannot be upgraded; use HTTP/1.1"))?;
    Ok(Agreed { carrier, protocol, pending, answer })
}

fn nothing_in_common(offered: &[&str], known: &[&str]) -> Response {
    let message = format!(
        "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]",
        offered.join(" "),
        known.join(" ")
    );
    let mut refusal = refusal(StatusCode::FORBIDDEN, &message);
    for protocol in known {
        let value = header::HeaderValue::from_str(protocol).expect("our own names are plain");
        refusal.headers_mut().append("x-accepted-stream-protocol-versions", value);
    }
    refusal
}

/// An answer that says in plain text why not.
pub(super) fn refusal(code: StatusCode, why: &str) -> Response {
    (code, format!("{why}\n")).into_response()
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

/// All values of a header, whether they stand in one line or in several.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|value| !value.is_empty()).collect()
}

/// An upgraded connection that knows whether anything happens on it.
pub(super) struct Transport {
    io: TokioIo<Upgraded>,
    activity: Activity,
}

impl Transport {
    pub(super) fn new(upgraded: Upgraded, activity: Activity) -> Self {
        Self { io: TokioIo::new(upgraded), activity }
    }
}

/// Counts what passes over a connection.
#[derive(Clone, Default)]
pub(super) struct Activity(Arc<AtomicU64>);

impl Activity {
    pub(super) fn happened(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns once nothing has happened for `period`, or up to twice that.
    pub(super) async fn quiet(&self, period: Duration) {
        loop {
            let before = self.0.load(Ordering::Relaxed);
            tokio::time::sleep(period).await;
            if self.0.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if read.is_ready() {
            self.activity.happened();
        }
        read
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        if written.is_ready() {
            self.activity.happened();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&str, &str)]) -> String {
        let mut request = Request::new(Body::empty());
        for (name, value) in headers {
            let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        match agree(&mut request, &["v5.channel.k8s.io", "v4.channel.k8s.io"], &["v4.channel.k8s.io"]) {
            Ok(agreed) => format!("{:?} {}", agreed.carrier, agreed.protocol),
            Err(refusal) => format!("{}", refusal.status().as_u16()),
        }
    }

    /// The connection of a test is none: agreeing gets as far as that and no further.
    #[test]
    fn what_cannot_be_agreed_on_is_refused_as_upstream_does() {
        assert_eq!(asked(&[]), "400");
        assert_eq!(asked(&[("upgrade", "h2c")]), "400");
        assert_eq!(asked(&[("upgrade", "websocket")]), "403");
        assert_eq!(asked(&[("upgrade", "SPDY/3.1"), ("x-stream-protocol-version", "v5.channel.k8s.io")]), "403");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_quiet_once_nothing_happens_on_it() {
        let activity = Activity::default();
        let (busy, start) = (activity.clone(), tokio::time::Instant::now());
        tokio::spawn(async move {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(60)).await;
                busy.happened();
            }
        });
        activity.quiet(Duration::from_secs(100)).await;
        let passed = start.elapsed();
        assert!(passed > Duration::from_secs(300) && passed <= Duration::from_secs(500), "{passed:?}");
    }
}

//! Going to where containerd serves a stream.

use std::io;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sampan_runtime::{Error, Result};
use tokio::net::TcpStream;

/// The protocol of exec and attach.
pub(super) const REMOTE: &str = "v4.channel.k8s.io";
/// The protocol of port forwards.
pub(super) const FORWARD: &str = "portforward.k8s.io";

/// Bytes of a refusal that are read.
const REFUSAL: usize = 4096;

/// A connection that speaks SPDY from here on.
pub(super) async fn dial(url: &str, protocol: &'static str) -> Result<TokioIo<Upgraded>> {
    let failed = |why: String| Error::Unavailable(format!("failed to open containerd's stream at {url}: {why}"));
    let uri: Uri = url.parse().map_err(|error| failed(format!("{error}")))?;
    if uri.scheme_str() != Some("http") {
        return Err(failed("only plain HTTP is spoken on the loopback; set enable_tls_streaming = false".to_owned()));
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let connected = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await;
    let stream = connected.map_err(|error| failed(error.to_string()))?;
    let _latency_only = stream.set_nodelay(true);
    let request = Request::post(&uri)
        .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "SPDY/3.1")
        .header("x-stream-protocol-version", protocol)
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(error.to_string()))?;
    upgrade(stream, request).await.map_err(|error| failed(error.to_string()))
}

async fn upgrade(stream: TcpStream, request: Request<Empty<Bytes>>) -> io::Result<TokioIo<Upgraded>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // The connection is worked by being awaited; it lets go of its socket once that is somebody else's.
    let asking = async move {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(io::Error::other(refusal(response).await));
        }
        hyper::upgrade::on(response).await.map_err(io::Error::other)
    };
    let (upgraded, _said_by_the_other) = tokio::join!(asking, connection.with_upgrades());
    upgraded.map(TokioIo::new)
}

async fn refusal(response: Response<Incoming>) -> String {
    let status = response.status();
    let body = Limited::new(response.into_body(), REFUSAL).collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned()).unwrap_or_default();
    format!("it answered {status}: {text}")
}

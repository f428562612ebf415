//! HTTP to nodes, pods and services: one connection a request, cancelled with it.

pub(crate) mod unverified;

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::body::{Body, BodyError};
use crate::decode::RequestBody;

/// A peer that does not take the connection by then is unreachable.
const CONNECT: Duration = Duration::from_secs(5);
/// A peer that has not begun to answer by then will not.
const BEGIN: Duration = Duration::from_secs(30);

/// Why a peer could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReachError {
    /// This server was given no client certificate for nodes.
    #[error("this server has no credentials for nodes")]
    NoCredentials,
    /// No connection.
    #[error("{0} does not take connections: {1}")]
    Connect(String, #[source] std::io::Error),
    /// No answer.
    #[error("{0} took too long")]
    Timeout(String),
    /// A connection but no HTTP.
    #[error("{0} broke off: {1}")]
    Http(String, #[source] hyper::Error),
    /// It agreed to another protocol, but the client's own connection has none but HTTP.
    #[error("{0} upgrades its connection, which this one cannot; use HTTP/1.1")]
    NoUpgrade(String),
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Address or host name.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
}

/// How a peer is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Plain HTTP.
    None,
    /// With the server's client certificate, to a peer the cluster's authority vouches for.
    Cluster,
    /// With a peer that nobody vouches for.
    Unverified,
}

impl Target {
    /// `10.0.0.1:10250`; IPv6 addresses in brackets.
    pub(crate) fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// Host and port as one.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// As [`NodeClient::send`], over TLS to the first of `targets` that takes the connection; `name` is what its certificate has to say.
pub(crate) async fn send_over(
    tls: &TlsConnector,
    name: &str,
    targets: &[(String, u16)],
    request: Request<RequestBody>,
) -> Result<Response<Body>, ReachError> {
    let mut failure = ReachError::Timeout(name.to_owned());
    for (host, port) in targets {
        let authority = authority(host, *port);
        match tokio::time::timeout(CONNECT, connect_over(tls, name, host, *port)).await {
            Ok(Ok(stream)) => return exchange(stream, request, authority).await,
            Ok(Err(error)) => failure = ReachError::Connect(authority, error),
            Err(_) => failure = ReachError::Timeout(authority),
        }
    }
    Err(failure)
}

async fn connect_over(tls: &TlsConnector, name: &str, host: &str, port: u16) -> std::io::Result<Box<dyn Connection>> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(name.to_owned()).map_err(std::io::Error::other)?;
    Ok(Box::new(tls.connect(name, stream).await?))
}

/// Speaks to peers behind the API.
pub(crate) struct NodeClient {
    tls: Option<TlsConnector>,
    unverified: TlsConnector,
}

impl NodeClient {
    pub(crate) fn new(config: Option<Arc<ClientConfig>>) -> Self {
        Self { tls: config.map(TlsConnector::from), unverified: TlsConnector::from(Arc::new(unverified::config())) }
    }

    /// Sends a request whose URI has a path only. Dropping the answer's body ends the connection; one of 101 can be upgraded.
    pub(crate) async fn send(
        &self,
        target: &Target,
        request: Request<RequestBody>,
    ) -> Result<Response<Body>, ReachError> {
        let authority = target.authority();
        let connected = tokio::time::timeout(CONNECT, self.connect(target, &authority));
        let stream = connected.await.map_err(|_| ReachError::Timeout(authority.clone()))??;
        exchange(stream, request, authority).await
    }

    async fn connect(&self, target: &Target, authority: &str) -> Result<Box<dyn Connection>, ReachError> {
        let failed = |error| ReachError::Connect(authority.to_owned(), error);
        let connector = match (target.tls, &self.tls) {
            (Tls::Cluster, None) => return Err(ReachError::NoCredentials),
            (Tls::Cluster, Some(connector)) => Some(connector),
            (Tls::Unverified, _) => Some(&self.unverified),
            (Tls::None, _) => None,
        };
        let stream = TcpStream::connect((&*target.host, target.port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let Some(connector) = connector else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(target.host.clone()).map_err(|error| failed(std::io::Error::other(error)))?;
        Ok(Box::new(connector.connect(name, stream).await.map_err(failed)?))
    }
}

/// A byte stream in both directions.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Connection for S {}

async fn exchange(
    stream: Box<dyn Connection>,
    request: Request<RequestBody>,
    authority: String,
) -> Result<Response<Body>, ReachError> {
    let broken = |error| ReachError::Http(authority.clone(), error);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let driver = AbortOnDropHandle::new(tokio::spawn(connection.with_upgrades()));
    let answer = tokio::time::timeout(BEGIN, sender.send_request(request)).await;
    let answer = answer.map_err(|_| ReachError::Timeout(authority.clone()))?.map_err(broken)?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        // The connection is handed over by its driver, which ends then.
        drop(driver.detach());
        return Ok(answer.map(|_| Body::empty()));
    }
    let (head, body) = answer.into_parts();
    let frames = futures::stream::unfold((body, sender, driver), |(mut body, sender, driver)| async move {
        let data = match http_body_util::BodyExt::frame(&mut body).await? {
            Ok(frame) => Ok(frame.into_data().ok()?),
            Err(error) => Err(BodyError::new(error)),
        };
        Some((data, (body, sender, driver)))
    });
    Ok(Response::from_parts(head, Body::stream(frames)))
}

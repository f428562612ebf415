//! Requests that guests send: `wasi:http` outgoing handlers. They leave from the pod's own address, and `localhost` is the pod.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::uri::Scheme;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{error::Elapsed, timeout};
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::network::PodAddress;

/// When the guest sets none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// One instance's way out.
pub(crate) struct Outgoing {
    pod: PodAddress,
}

impl Outgoing {
    pub(crate) fn new(pod: PodAddress) -> Self {
        Outgoing { pod }
    }
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Io), Error>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(send(self.pod, request, options.unwrap_or_default()))
    }

    fn p2_error_from_hyper(
        &mut self,
        error: &hyper::Error,
    ) -> wasmtime_wasi_http::p2::bindings::http::types::ErrorCode {
        tracing::debug!(%error, "outgoing request failed");
        wasmtime_wasi_http::p2::bindings::http::types::ErrorCode::HttpProtocolError
    }
}

async fn send(pod: PodAddress, mut request: http::Request<WasiBody>, options: RequestOptions) -> Sent {
    let patience = options.connect_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let stream =
        timeout(patience, connect(pod, request.uri())).await.map_err(|_: Elapsed| Error::ConnectionTimeout)??;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    *request.uri_mut() = origin_form(request.uri());
    // Driven by a task of its own: the guest may wait for the response while it still sends the body.
    let connection = tokio::spawn(connection);
    let aborting = AbortOnDrop(connection.abort_handle());
    let first_byte = timeout(options.first_byte_timeout.unwrap_or(DEFAULT_TIMEOUT), sender.send_request(request));
    let response = first_byte.await.map_err(|_: Elapsed| Error::ConnectionReadTimeout)??;
    let between = options.between_bytes_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let response = response.map(|body| Patient::new(body, between, aborting).boxed_unsync());
    let io = async move {
        match connection.await {
            Ok(Err(error)) => Err(error.into()),
            // Ended well, or no one reads the response any more.
            _ => Ok(()),
        }
    };
    Ok((response, Box::new(io)))
}

/// Requests name only path and query on a connection to the server itself.
fn origin_form(uri: &http::Uri) -> http::Uri {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
    http::Uri::from(path)
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(pod: PodAddress, uri: &http::Uri) -> Result<Pin<Box<dyn Stream>>, Error> {
    let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    let tls = uri.scheme() == Some(&Scheme::HTTPS);
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = connect_to_any(pod, host, port).await?;
    if !tls {
        return Ok(Box::pin(stream));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::HttpRequestUriInvalid)?;
    let stream = connector()?.connect(name, stream).await.map_err(Error::Tls)?;
    Ok(Box::pin(stream))
}

/// Tries the host's addresses in turn; the last failure counts.
async fn connect_to_any(pod: PodAddress, host: &str, port: u16) -> Result<TcpStream, Error> {
    let unknown = |error: std::io::Error| Error::DnsError { rcode: Some(error.to_string()), info_code: None };
    let mut failure = Error::DestinationNotFound;
    for address in lookup_host((host, port)).await.map_err(unknown)? {
        match connect_to(pod, address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn connect_to(pod: PodAddress, address: SocketAddr) -> Result<TcpStream, Error> {
    let address = pod.connect(address);
    if !pod.allows(address, SocketAddrUse::TcpConnect) {
        return Err(Error::DestinationIpProhibited);
    }
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(Error::Connect)?;
    if let Some(source) = pod.source(address) {
        socket.bind(source).map_err(Error::Connect)?;
    }
    let stream = socket.connect(address).await.map_err(Error::Connect)?;
    stream.set_nodelay(true).map_err(Error::Connect)?;
    Ok(stream)
}

/// TLS with the node's trusted roots, read once.
fn connector() -> Result<tokio_rustls::TlsConnector, Error> {
    static CONFIG: OnceLock<Arc<rustls::ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone().into());
    }
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::InternalError(Some(error.to_string())))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(CONFIG.get_or_init(|| Arc::new(config)).clone().into())
}

/// Ends the connection when its response is no longer read.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A response body that fails when it is silent for too long.
struct Patient {
    body: hyper::body::Incoming,
    between: Duration,
    silence: Pin<Box<tokio::time::Sleep>>,
    _connection: AbortOnDrop,
}

impl Patient {
    fn new(body: hyper::body::Incoming, between: Duration, connection: AbortOnDrop) -> Self {
        Patient { body, between, silence: Box::pin(tokio::time::sleep(between)), _connection: connection }
    }
}

impl http_body::Body for Patient {
    type Data = bytes::Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Error>>> {
        use std::task::Poll;
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let again = tokio::time::Instant::now() + self.between;
            self.silence.as_mut().reset(again);
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        std::task::ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

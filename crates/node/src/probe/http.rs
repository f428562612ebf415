//! One GET as probes and hooks make it: to the pod, following redirects on the same host, never checking certificates.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use sampan_api::k8s::api::core::v1::HTTPGetAction;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A GET to be made.
pub(crate) struct Request<'a> {
    /// The pod's address, unless the action names a host.
    pub(crate) address: IpAddr,
    pub(crate) host: Option<&'a str>,
    pub(crate) port: u16,
    pub(crate) action: &'a HTTPGetAction,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Redirects followed, as Go's client does.
const MOST_REDIRECTS: usize = 10;

impl Request<'_> {
    fn is_https(&self) -> bool {
        self.action.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
    }

    /// For messages.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_https() { "https" } else { "http" };
        format!("{scheme}://{}:{}{}", self.authority(), self.port, self.path())
    }

    fn authority(&self) -> String {
        match (self.host, self.address) {
            (Some(host), _) => host.to_owned(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
            (None, address) => address.to_string(),
        }
    }

    fn path(&self) -> String {
        let path = self.action.path.as_deref().unwrap_or("/");
        if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
    }
}

/// The status code of the answer. A redirect to another host counts as the answer.
pub(crate) async fn get(request: &Request<'_>) -> Result<u16, String> {
    let mut path = request.path();
    for _ in 0..=MOST_REDIRECTS {
        let (code, location) = once(request, &path).await.map_err(|error| words(&*error))?;
        let next = location.filter(|_| (300..400).contains(&code)).and_then(|location| same_host(&location, request));
        match next {
            Some(next) => path = next,
            None => return Ok(code),
        }
    }
    Err(format!("stopped after {MOST_REDIRECTS} redirects"))
}

/// The innermost cause says what happened.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn same_host(location: &str, request: &Request<'_>) -> Option<String> {
    let uri: Uri = location.parse().ok()?;
    let stays = match (uri.scheme(), uri.authority()) {
        (None, None) => true,
        (scheme, Some(authority)) => {
            let port = authority.port_u16().unwrap_or_else(|| if scheme == Some(&Scheme::HTTPS) { 443 } else { 80 });
            authority.host() == request.authority()
                && port == request.port
                && (scheme == Some(&Scheme::HTTPS)) == request.is_https()
        }
        (Some(_), None) => false,
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    (stays && path.starts_with('/')).then(|| path.to_owned())
}

async fn once(request: &Request<'_>, path: &str) -> Result<(u16, Option<String>), Failure> {
    let stream = match request.host {
        Some(host) => TcpStream::connect((host, request.port)).await?,
        None => TcpStream::connect((request.address, request.port)).await?,
    };
    if !request.is_https() {
        return exchange(stream, request, path).await;
    }
    let name = match request.host {
        Some(host) => ServerName::try_from(host.to_owned())?,
        None => ServerName::from(request.address),
    };
    let connector = tokio_rustls::TlsConnector::from(TRUSTING.clone());
    exchange(connector.connect(name, stream).await?, request, path).await
}

async fn exchange<S>(stream: S, request: &Request<'_>, path: &str) -> Result<(u16, Option<String>), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection ends when its sender and the answer are dropped.
    let connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let answer = sender.send_request(message(request, path)?).await?;
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let code = answer.status().as_u16();
    drop(connection);
    Ok((code, location))
}

fn message(request: &Request<'_>, path: &str) -> Result<http::Request<Empty<Bytes>>, Failure> {
    let mut message = http::Request::get(path).body(Empty::new())?;
    let headers = message.headers_mut();
    let host = format!("{}:{}", request.authority(), request.port);
    headers.insert(header::HOST, HeaderValue::from_str(&host)?);
    headers.insert(header::USER_AGENT, HeaderValue::from_static("kube-probe/1.36"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    for chosen in request.action.http_headers.iter().flatten() {
        headers.insert(HeaderName::try_from(chosen.name.as_str())?, HeaderValue::from_str(&chosen.value)?);
    }
    Ok(message)
}

/// Probes ask whether something answers, not who: kubelet's do not check certificates either.
static TRUSTING: LazyLock<Arc<rustls::ClientConfig>> = LazyLock::new(|| {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring offers the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAll(provider)))
        .with_no_client_auth();
    Arc::new(config)
});

#[derive(Debug)]
struct TrustAll(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _end_entity: &rustls::pki_types::CertificateDer<'_>,
        _intermediates: &[rustls::pki_types::CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

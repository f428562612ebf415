//! A server of somebody else's that the API asks: a webhook, an extension server. It answers JSON over HTTPS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sampan_access::Authority;
use sampan_access::pki::{Clients, LiveCertificate, Purpose, Subject, server_config};
use sampan_meta::{Clock, SeededEntropy};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// What such a server is asked.
pub struct Asked {
    /// `GET`
    pub method: String,
    /// Without the query.
    pub path: String,
    /// In lower case, with the values of each.
    pub headers: Vec<(String, String)>,
    /// Null without a body.
    pub body: Value,
}

impl Asked {
    /// All values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// One running server. Dropping it ends it.
pub struct Extension {
    address: SocketAddr,
    authority_pem: String,
    _directory: tempfile::TempDir,
    _runtime: Runtime,
}

impl Extension {
    /// Starts one whose certificate says these names. Clients have to be vouched for by this authority (PEM), if one is named.
    pub fn start(
        names: &[&str],
        clients_pem: Option<&str>,
        answer: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let authority = Authority::open(directory.path(), Arc::clone(&clock), Arc::new(SeededEntropy::new(1)));
        let authority = authority.expect("an authority can be made");
        let alternative_names = names.iter().map(|name| (*name).to_owned()).collect();
        let subject = Subject { alternative_names, purpose: Purpose::Server, ..Subject::client("extension", &[]) };
        let identity = authority.issue(&subject).expect("a certificate can be issued");
        let clients = match clients_pem {
            Some(pem) => Clients::Must(sampan_access::pki::certificates(pem).expect("the authority is PEM")),
            None => Clients::NotAsked,
        };
        let certificate = LiveCertificate::new(&identity).expect("the certificate can be shown");
        let tls = TlsAcceptor::from(server_config(certificate, &clients, clock).expect("TLS can be served"));
        let runtime = Runtime::new().expect("a runtime can be started");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        runtime.spawn(serve(listener, tls, Arc::new(answer)));
        Self {
            address,
            authority_pem: authority.certificate_pem().to_owned(),
            _directory: directory,
            _runtime: runtime,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A `caBundle` that vouches for it.
    pub fn bundle(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(&self.authority_pem)
    }
}

type Answer = dyn Fn(&Asked) -> (u16, Value) + Send + Sync;

async fn serve(listener: TcpListener, tls: TlsAcceptor, answer: Arc<Answer>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, answer) = (tls.clone(), Arc::clone(&answer));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(|request| respond(request, Arc::clone(&answer)));
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client that goes away is no failure of the test.
            drop(served.await);
        });
    }
}

async fn respond(request: Request<Incoming>, answer: Arc<Answer>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    };
    let (code, document) = answer(&asked);
    let response = Response::builder().status(code).header("content-type", "application/json");
    Ok(response.body(Full::from(document.to_string())).expect("a code and JSON are a response"))
}

/// Certificates are judged by the real time.
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> jiff::Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the cluster under test judges certificates by the real time")]
        jiff::Timestamp::now()
    }
}

//! The listener: TLS 1.3, client certificates, HTTP/1.1 and HTTP/2, shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use sampan_access::pki::{Clients, Identity, LiveCertificate, Subject, client_config, server_config};
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::harness::Cluster;

/// A cluster that listens.
pub struct Listening {
    pub cluster: Cluster,
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub serving: JoinHandle<std::io::Result<()>>,
}

impl Listening {
    pub async fn start() -> Self {
        Self::over(Cluster::start().await).await
    }

    pub async fn over(cluster: Cluster) -> Self {
        let subject = Subject {
            alternative_names: vec!["127.0.0.1".into(), "localhost".into()],
            ..Subject::client("kube-apiserver", &[])
        };
        let subject = Subject { purpose: sampan_access::pki::Purpose::Server, ..subject };
        let identity = cluster.authority.issue(&subject).unwrap();
        let clients = Clients::May(vec![cluster.authority.certificate().clone()]);
        let certificate = LiveCertificate::new(&identity).unwrap();
        let config = server_config(certificate, &clients, Arc::clone(&cluster.clock)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (server, stop) = (Arc::clone(&cluster.server), shutdown.clone());
        let serving = tokio::spawn(async move { server.serve(listener, config, stop).await });
        Self { cluster, address, shutdown, serving }
    }

    /// The code of an answer to somebody without a certificate.
    pub async fn get(&self, path: &str, authorization: Option<&str>) -> u16 {
        let mut request = get(path);
        if let Some(authorization) = authorization {
            request.headers_mut().insert("authorization", authorization.parse().unwrap());
        }
        self.ask(None, "http/1.1", request).await.status().as_u16()
    }

    pub async fn connect(&self, identity: Option<&Identity>, protocol: &str) -> TlsStream<TcpStream> {
        let roots = [self.cluster.authority.certificate().clone()];
        let mut config = client_config(&roots, identity, Arc::clone(&self.cluster.clock)).unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    async fn ask(
        &self,
        identity: Option<&Identity>,
        protocol: &str,
        request: Request<Empty<Bytes>>,
    ) -> Response<Incoming> {
        let io = TokioIo::new(self.connect(identity, protocol).await);
        if protocol == "h2" {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            return sender.send_request(request).await.unwrap();
        }
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).header("host", "127.0.0.1").body(Empty::new()).unwrap()
}

fn get_h2(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("https://127.0.0.1{path}")).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_certificate_is_an_identity_and_none_is_anonymous() {
    let listening = Listening::start().await;
    let admin = listening.cluster.authority.issue(&Subject::admin()).unwrap();
    let answer = listening.ask(Some(&admin), "http/1.1", get("/api/v1/pods")).await;
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_11));
    let answer = listening.ask(Some(&admin), "h2", get_h2("/api/v1/pods")).await;
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    assert_eq!(listening.ask(None, "http/1.1", get("/api/v1/pods")).await.status(), 403);
    assert_eq!(listening.ask(None, "http/1.1", get("/version")).await.status(), 200);
    let mut forged = get("/version");
    forged.headers_mut().insert("authorization", "Bearer nonsense".parse().unwrap());
    let refused = listening.ask(None, "http/1.1", forged).await;
    assert_eq!(refused.status(), 401);
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["message"], "Unauthorized");
}

#[tokio::test]
async fn what_is_no_tls_or_no_http_harms_nobody_else() {
    let listening = Listening::start().await;
    let mut plain = TcpStream::connect(listening.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut refused = Vec::new();
    let _ = plain.read_to_end(&mut refused).await;
    let mut garbage = listening.connect(None, "http/1.1").await;
    garbage.write_all(b"\x00\x01nonsense\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = garbage.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    let mut large = listening.connect(None, "http/1.1").await;
    let head = format!("GET /version HTTP/1.1\r\nhost: x\r\nx-large: {}", "x".repeat(70 * 1024));
    large.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = large.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(listening.ask(None, "http/1.1", get("/version")).await.status(), 200);
}

#[tokio::test]
async fn a_shutdown_ends_watches_and_then_the_server() {
    let listening = Listening::start().await;
    let admin = listening.cluster.authority.issue(&Subject::admin()).unwrap();
    let mut watches = Vec::new();
    for protocol in ["http/1.1", "h2"] {
        let path = "/api/v1/namespaces?watch=1&resourceVersion=0";
        let request = if protocol == "h2" { get_h2(path) } else { get(path) };
        let mut watch = listening.ask(Some(&admin), protocol, request).await.into_body();
        let first = watch.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(first.starts_with(b"{\"type\":\"ADDED\""));
        watches.push(watch);
    }
    listening.shutdown.cancel();
    for watch in watches {
        let end = tokio::time::timeout(Duration::from_secs(5), watch.collect()).await;
        end.expect("the watch ends").expect("it ends cleanly");
    }
    let ended = tokio::time::timeout(Duration::from_secs(20), listening.serving).await.expect("the server ends");
    ended.unwrap().unwrap();
    assert!(TcpStream::connect(listening.address).await.is_err());
}

//! A server of another's behind the API: a webhook, an extension.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use sampan_access::pki::{Clients, LiveCertificate, Purpose, Subject, server_config};
use sampan_apiserver::Body;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::harness::Cluster;

/// What a server answers.
pub type Answer =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Result<Response<Body>, Infallible>> + Send + Sync>;

/// An HTTPS server whose certificate the cluster's authority vouches for. Gone with this value.
pub struct HttpsServer {
    pub address: SocketAddr,
    _serving: JoinSet<()>,
}

impl HttpsServer {
    /// One under these names, for anybody.
    pub async fn start(cluster: &Cluster, names: &[&str], answer: Answer) -> Self {
        Self::for_clients(cluster, names, None, answer).await
    }

    /// One for clients that this authority vouches for, if it is said.
    pub async fn for_clients(
        cluster: &Cluster,
        names: &[&str],
        front_proxy: Option<CertificateDer<'static>>,
        answer: Answer,
    ) -> Self {
        let names = names.iter().map(|name| (*name).into()).collect();
        let subject = Subject { alternative_names: names, purpose: Purpose::Server, ..Subject::client("server", &[]) };
        let certificate = LiveCertificate::new(&cluster.authority.issue(&subject).unwrap()).unwrap();
        let clients = match front_proxy {
            Some(authority) => Clients::Must(vec![authority]),
            None => Clients::NotAsked,
        };
        let config = server_config(certificate, &clients, Arc::clone(&cluster.clock)).unwrap();
        let acceptor = TlsAcceptor::from(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let served = hyper::server::conn::http1::Builder::new();
                    let connection =
                        served.serve_connection(TokioIo::new(stream), service_fn(|request| answer(request)));
                    drop(connection.with_upgrades().await);
                });
            }
        });
        Self { address, _serving: serving }
    }

    /// A `WebhookClientConfig` of this server.
    pub fn client_config(&self, cluster: &Cluster, path: &str) -> Value {
        json!({ "url": format!("https://{}{path}", self.address), "caBundle": bundle(cluster) })
    }
}

/// The cluster's authority, as a `caBundle`.
pub fn bundle(cluster: &Cluster) -> String {
    let certificate = STANDARD.encode(cluster.authority.certificate());
    STANDARD.encode(format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"))
}

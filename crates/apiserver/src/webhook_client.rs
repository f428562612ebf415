//! HTTPS to webhooks: one connection a question, ended with it. Upstream: `apiserver/pkg/util/webhook/client.go`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use sampan_access::pki;
use sampan_api::request::Lister;
use sampan_api::webhook::WebhookClient;
use sampan_meta::{Clock, object};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::service_endpoints::{authorities, targets};
use crate::trace;

/// Bytes of an answer that are read; a patch of the largest object fits.
const MAX_ANSWER: usize = 4 << 20;
/// Letters of an error's body that are told.
const MAX_TOLD: usize = 256;
const HTTPS: u16 = 443;

/// Asks webhooks at a URL, or behind a Service: then one of its ready endpoints.
pub struct HttpsWebhooks {
    lister: Arc<dyn Lister>,
    clock: Arc<dyn Clock>,
    /// Whom to trust where a webhook brings no authority of its own.
    roots: Vec<CertificateDer<'static>>,
}

impl HttpsWebhooks {
    /// Services and their endpoints are read through `lister`; certificates are judged by `clock`.
    pub fn new(lister: Arc<dyn Lister>, clock: Arc<dyn Clock>, roots: Vec<CertificateDer<'static>>) -> Self {
        Self { lister, clock, roots }
    }
}

impl WebhookClient for HttpsWebhooks {
    fn ask<'a>(
        &'a self,
        client_config: &'a Value,
        review: &'a Value,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Value, String>> {
        async move {
            let place = Place::of(client_config, timeout)?;
            let told = |why: String| format!("Post {:?}: {why}", place.url);
            let asked = tokio::time::timeout(timeout, self.exchange(client_config, &place, review)).await;
            asked.map_err(|_| told("context deadline exceeded".to_owned()))?.map_err(|failure| match failure {
                Failure::OnTheWay(why) => told(why),
                Failure::Answered(why) => why,
            })
        }
        .boxed()
    }
}

/// Where a webhook is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// As it is told.
    url: String,
    /// What its certificate says.
    host: String,
    port: u16,
    path: String,
    /// Namespace and name of the Service it is behind.
    service: Option<(String, String)>,
}

enum Failure {
    /// There is no answer.
    OnTheWay(String),
    /// The answer is none.
    Answered(String),
}

impl Place {
    fn of(client_config: &Value, timeout: Duration) -> Result<Self, String> {
        let text = |pointer: &str| object::str_at(client_config, pointer).unwrap_or_default();
        let seconds = timeout.as_secs();
        if let Some(url) = client_config.get("url").and_then(Value::as_str) {
            let uri: Uri = url.parse().map_err(|error| format!("parse {url:?}: {error}"))?;
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let port = uri.port_u16().unwrap_or(HTTPS);
            let path = format!("{}?timeout={seconds}s", uri.path());
            return Ok(Self { url: format!("{url}?timeout={seconds}s"), host, port, path, service: None });
        }
        let (namespace, name) = (text("/service/namespace").to_owned(), text("/service/name").to_owned());
        let port =
            object::i64_at(client_config, "/service/port").and_then(|port| u16::try_from(port).ok()).unwrap_or(HTTPS);
        let path = match text("/service/path") {
            "" => "/".to_owned(),
            path => path.to_owned(),
        };
        let (host, path) = (format!("{name}.{namespace}.svc"), format!("{path}?timeout={seconds}s"));
        Ok(Self { url: format!("https://{host}:{port}{path}"), host, port, path, service: Some((namespace, name)) })
    }
}

impl HttpsWebhooks {
    async fn exchange(&self, client_config: &Value, place: &Place, review: &Value) -> Result<Value, Failure> {
        let connector = self.connector(client_config).map_err(Failure::OnTheWay)?;
        let stream = self.connect(place).await.map_err(Failure::OnTheWay)?;
        let broken = |error: String| Failure::OnTheWay(error);
        let name = ServerName::try_from(place.host.clone()).map_err(|error| broken(error.to_string()))?;
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| broken(format!("tls: failed to verify certificate: {error}")))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| broken(error.to_string()))?;
        let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
        let mut request = Request::post(&place.path)
            .header(header::HOST, format!("{}:{}", place.host, place.port))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, */*")
            .header(header::USER_AGENT, "kube-apiserver-admission");
        if let Some(traceparent) = trace::traceparent() {
            request = request.header(trace::TRACEPARENT, traceparent);
        }
        let request = request.body(Full::new(Bytes::from(review.to_string())));
        let request = request.map_err(|error| broken(error.to_string()))?;
        let answer = sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
        let (head, body) = answer.into_parts();
        let bytes =
            Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| broken(error.to_string()))?.to_bytes();
        if !head.status.is_success() {
            let body: String = String::from_utf8_lossy(&bytes).trim().chars().take(MAX_TOLD).collect();
            let told = if body.is_empty() { head.status.to_string() } else { body };
            return Err(Failure::Answered(format!(
                "an error on the server ({told:?}) has prevented the request from succeeding"
            )));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::Answered(format!("couldn't decode the answer: {error}")))
    }

    fn connector(&self, client_config: &Value) -> Result<TlsConnector, String> {
        let bundle = object::str_at(client_config, "/caBundle").unwrap_or_default();
        let roots = match bundle {
            "" => self.roots.clone(),
            bundle => authorities(bundle)?,
        };
        let config = pki::client_config(&roots, None, Arc::clone(&self.clock));
        Ok(TlsConnector::from(Arc::new(config.map_err(|error| error.to_string())?)))
    }

    /// The first that takes the connection.
    async fn connect(&self, place: &Place) -> Result<TcpStream, String> {
        let mut failure = String::new();
        for (host, port) in self.targets(place)? {
            match TcpStream::connect((host.as_str(), port)).await {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(|error| error.to_string())?;
                    return Ok(stream);
                }
                Err(error) => failure = format!("dial tcp {host}:{port}: {error}"),
            }
        }
        Err(failure)
    }

    fn targets(&self, place: &Place) -> Result<Vec<(String, u16)>, String> {
        match &place.service {
            Some((namespace, name)) => targets(&*self.lister, namespace, name, place.port),
            None => Ok(vec![(place.host.clone(), place.port)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_webhook_is_found_by_url_or_service() {
        for (config, url, host, port, path) in [
            (
                json!({ "url": "https://a.example:8443/x" }),
                "https://a.example:8443/x?timeout=5s",
                "a.example",
                8443,
                "/x?timeout=5s",
            ),
            (json!({ "url": "https://[::1]/x" }), "https://[::1]/x?timeout=5s", "::1", 443, "/x?timeout=5s"),
            (
                json!({ "service": { "namespace": "n", "name": "s", "path": "/y", "port": 9443 } }),
                "https://s.n.svc:9443/y?timeout=5s",
                "s.n.svc",
                9443,
                "/y?timeout=5s",
            ),
            (
                json!({ "service": { "namespace": "n", "name": "s" } }),
                "https://s.n.svc:443/?timeout=5s",
                "s.n.svc",
                443,
                "/?timeout=5s",
            ),
        ] {
            let place = Place::of(&config, Duration::from_secs(5)).expect("it is a place");
            assert_eq!((&*place.url, &*place.host, place.port, &*place.path), (url, host, port, path));
        }
    }
}

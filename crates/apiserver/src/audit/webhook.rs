//! A webhook that takes audit events: HTTP or HTTPS, a connection for each list.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::batches::Receiver;

/// How long a webhook may take, as upstream's (apiserver/pkg/util/webhook, `defaultRequestTimeout`).
const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 << 10;
/// Letters of an error's body that are told.
const MAX_TOLD: usize = 256;

/// Where it is and how it knows us.
pub struct Webhook {
    uri: Uri,
    tls: Arc<ClientConfig>,
    authorization: Option<HeaderValue>,
}

impl Webhook {
    /// The webhook at a URL. `tls` says whom to trust and who we are; `authorization` is sent as a header.
    ///
    /// # Errors
    /// When the URL is none, or the header cannot be one.
    pub fn new(url: &str, tls: ClientConfig, authorization: Option<&str>) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(format!("{url:?} is no URL of the form https://HOST/PATH"));
        }
        let authorization = authorization.map(HeaderValue::from_str).transpose();
        let mut authorization = authorization.map_err(|_| "its credentials have letters that no header may have")?;
        authorization.iter_mut().for_each(|header| header.set_sensitive(true));
        Ok(Self { uri, tls: Arc::new(tls), authorization })
    }

    async fn exchange(&self, list: Bytes) -> Result<(), String> {
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_https = self.uri.scheme_str() == Some("https");
        let port = self.uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let stream =
            TcpStream::connect((host, port)).await.map_err(|error| format!("dial tcp {host}:{port}: {error}"))?;
        if !is_https {
            return self.post_over(stream, list).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, stream).await;
        self.post_over(stream.map_err(|error| format!("tls: {error}"))?, list).await
    }

    async fn post_over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        list: Bytes,
    ) -> Result<(), String> {
        let broken = |error: hyper::Error| error.to_string();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
        let answer = sender.send_request(self.request(list)?).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| error.to_string())?.to_bytes();
        match head.status.is_success() {
            true => Ok(()),
            false => {
                let told: String = String::from_utf8_lossy(&body).trim().chars().take(MAX_TOLD).collect();
                Err(format!("{} {told:?}", head.status))
            }
        }
    }

    fn request(&self, list: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::post(path)
            .header(header::HOST, self.uri.authority().map_or("", |authority| authority.as_str()))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, */*")
            .header(header::USER_AGENT, "sampan-audit");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.body(Full::new(list)).map_err(|error| error.to_string())
    }
}

impl Receiver for Webhook {
    fn post(&self, list: Bytes) -> BoxFuture<'_, Result<(), String>> {
        async move {
            let sent = tokio::time::timeout(TIMEOUT, self.exchange(list)).await;
            let sent = sent.unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
            sent.map_err(|why| format!("audit webhook {}: {why}", self.uri))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_has_a_whole_url() {
        let tls = || {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
        };
        for url in ["https://audit.example/events?a=b", "http://127.0.0.1:9000", "https://[::1]:8443/"] {
            assert!(Webhook::new(url, tls(), Some("Bearer x")).is_ok(), "{url}");
        }
        for url in ["audit.example", "ftp://audit.example", "https://", "a b"] {
            assert!(Webhook::new(url, tls(), None).is_err(), "{url}");
        }
        assert!(Webhook::new("https://a", tls(), Some("Bearer \n")).is_err());
    }
}

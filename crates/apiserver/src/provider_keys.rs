//! The keys of OpenID Connect providers, fetched when a token names one that is not at hand.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use sampan_access::authn::bearer;
use sampan_access::oidc::Provider;
use sampan_access::{Authenticator, pki};
use sampan_meta::Clock;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::decode::RequestBody;
use crate::node_client::{authority, send_over};

/// How long a provider may take for a document.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a provider is asked at most: anybody can name keys that do not exist.
const REST: Duration = Duration::from_secs(5);
/// Bytes of a document that are read.
const MAX_DOCUMENT: usize = 1 << 20;
const HTTPS: u16 = 443;

/// What fetches the keys of all providers.
pub(crate) struct ProviderKeys(Vec<Fetcher>);

struct Fetcher {
    provider: Arc<Provider>,
    tls: Result<TlsConnector, String>,
    /// When it was asked last. Held while it is asked, so that all who wait for a key ask once.
    asked: Mutex<Option<Instant>>,
}

impl ProviderKeys {
    pub(crate) fn new(authenticator: &Authenticator, clock: &Arc<dyn Clock>) -> Self {
        let fetcher = |provider: &Arc<Provider>| {
            let config = pki::client_config(authenticator.authority_of(provider), None, Arc::clone(clock));
            let tls = config.map(|config| TlsConnector::from(Arc::new(config))).map_err(|error| error.to_string());
            Fetcher { provider: Arc::clone(provider), tls, asked: Mutex::default() }
        };
        Self(authenticator.providers().iter().map(fetcher).collect())
    }

    /// Gets the key the bearer token of a request names, if somebody is known to have it.
    pub(crate) async fn prepare(&self, headers: &HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(token) = authorization.and_then(bearer) {
            self.prepare_token(token).await;
        }
    }

    /// The same for a token.
    pub(crate) async fn prepare_token(&self, token: &str) {
        for fetcher in self.0.iter().filter(|fetcher| fetcher.provider.lacks_key(token)) {
            fetcher.fetch(token).await;
        }
    }
}

impl Fetcher {
    async fn fetch(&self, token: &str) {
        let mut asked = self.asked.lock().await;
        let rests = asked.is_some_and(|asked| asked.elapsed() < REST);
        if rests || !self.provider.lacks_key(token) {
            return;
        }
        match self.keys().await {
            Ok(keys) => self.provider.set_keys(&keys),
            Err(why) => {
                tracing::warn!(
                    provider = self.provider.discovery(),
                    why,
                    "the keys of an OpenID provider were not fetched"
                );
            }
        }
        *asked = Some(Instant::now());
    }

    async fn keys(&self) -> Result<Value, String> {
        let discovery = self.get(self.provider.discovery()).await?;
        self.get(self.provider.keys_url(&discovery)?).await
    }

    async fn get(&self, url: &str) -> Result<Value, String> {
        let tls = self.tls.as_ref().map_err(Clone::clone)?;
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(HTTPS);
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let empty = http_body_util::Empty::new().map_err(|never: std::convert::Infallible| match never {});
        let request = Request::get(path)
            .header(header::HOST, authority(&host, port))
            .header(header::ACCEPT, "application/json")
            .body(RequestBody::new(empty))
            .map_err(|error| format!("{url}: {error}"))?;
        let target = [(host.clone(), port)];
        let document = async {
            let answer = send_over(tls, &host, &target, request).await.map_err(|error| error.to_string())?;
            if answer.status() != StatusCode::OK {
                return Err(format!("it answered {}", answer.status()));
            }
            let body =
                Limited::new(answer.into_body(), MAX_DOCUMENT).collect().await.map_err(|error| error.to_string())?;
            serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string())
        };
        let document = tokio::time::timeout(PATIENCE, document).await;
        document.unwrap_or_else(|_| Err("it took too long".to_owned())).map_err(|why| format!("{url}: {why}"))
    }
}

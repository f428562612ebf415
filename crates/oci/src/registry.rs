//! The service: a request is parsed, authorized, and handed to the file that answers it.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode};

use crate::auth::{Access, Action, Authorize, Credentials, credentials, require};
use crate::error::{Code, Error, OpenError};
use crate::name::Repository;
use crate::route::Target;
use crate::sessions::Sessions;
use crate::storage::Storage;
use crate::{blobs, manifests, referrers, tags, uploads};

/// How much one request may bring.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest blob, in bytes.
    pub blob: u64,
    /// The largest manifest, in bytes; the specification asks for 4 MiB at least.
    pub manifest: usize,
    /// Uploads that have begun and not ended, over all clients.
    pub uploads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { blob: 8 << 30, manifest: 4 << 20, uploads: 1_000 }
    }
}

/// A registry in a directory. One process at a time may have it open.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) storage: Storage,
    pub(crate) sessions: Sessions,
    pub(crate) limits: Limits,
    authorize: Arc<dyn Authorize>,
}

impl Registry {
    /// Opens the registry in `directory`, made (mode 0700) if it is not there. What unfinished uploads and deletions have left
    /// is removed first. Blocks while it looks through the directory: call it before serving.
    pub fn open(directory: &Path, authorize: Arc<dyn Authorize>, limits: Limits) -> Result<Self, OpenError> {
        let storage = Storage::open(directory)?;
        let sessions = Sessions::new(storage.uploads(), limits);
        Ok(Self(Arc::new(Inner { storage, sessions, limits, authorize })))
    }

    /// The service below `/v2/`. Content goes through as it comes, never whole through memory; TLS and timeouts are for whoever serves it.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v2", axum::routing::any(answer))
            .route("/v2/", axum::routing::any(answer))
            .route("/v2/{*path}", axum::routing::any(answer))
            .with_state(self.0.clone())
    }
}

/// One request, without its body: what brings content takes that apart.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) credentials: Credentials,
}

impl Asked {
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// What a resource answers to a method it does not have.
    pub(crate) fn unsupported(&self) -> Error {
        Error::new(Code::Unsupported, format!("{} is not supported here", self.method))
    }

    pub(crate) fn header(&self, name: &http::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Inner {
    /// Whether the client may do a further thing, besides what it asked for.
    pub(crate) async fn allows(&self, asked: &Asked, action: Action, repository: &Repository) -> bool {
        self.authorize.authorize(&asked.credentials, action, Some(repository)).await == Access::Granted
    }

    pub(crate) async fn require(&self, asked: &Asked, target: &Target) -> Result<(), Error> {
        let action = target.action(&asked.method);
        require(self.authorize.as_ref(), &asked.credentials, action, target.repository()).await
    }
}

async fn answer(State(registry): State<Arc<Inner>>, request: Request) -> Response {
    let answered = dispatch(&registry, request).await;
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    let version = http::HeaderValue::from_static("registry/2.0");
    response.headers_mut().insert("docker-distribution-api-version", version);
    response
}

async fn dispatch(registry: &Inner, request: Request) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let uri = &parts.uri;
    let below = uri.path().strip_prefix("/v2").unwrap_or_default();
    let path = decoded(below.strip_prefix('/').unwrap_or(below));
    let query = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
    let query = query.map(|query| query.0).map_err(|error| Error::new(Code::Unsupported, error.to_string()))?;
    let credentials = credentials(&parts.headers);
    let asked = Asked { method: parts.method, query, headers: parts.headers, credentials };
    let target = match Target::parse(&path) {
        Ok(target) => target,
        // A stranger learns nothing, not even which names are well formed.
        Err(error) => return registry.require(&asked, &Target::Registry).await.and(Err(error)),
    };
    registry.require(&asked, &target).await?;
    match target {
        Target::Registry => Ok((StatusCode::OK, "{}").into_response()),
        Target::Manifest(name, reference) => manifests::answer(registry, &name, &reference, &asked, body).await,
        Target::Blob(name, digest) => blobs::answer(registry, &name, &digest, &asked).await,
        Target::Uploads(name) => uploads::begin(registry, &name, &asked, body).await,
        Target::Upload(name, id) => uploads::answer(registry, &name, &id, &asked, body).await,
        Target::Tags(name) => tags::answer(registry, &name, &asked).await,
        Target::Referrers(name, subject) => referrers::answer(registry, &name, &subject, &asked).await,
    }
}

/// Percent-decoded; what is no UTF-8 afterwards cannot be a name and stays recognisable.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                bytes.push(value);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

//! What the server offers: discovery documents, and the paths that are no resources.

mod aggregated;
mod legacy;
mod listed;
mod published;
mod served;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use sampan_meta::Status;
use sampan_registry::Resource;
use sha2::{Digest as _, Sha512};

use crate::aggregation::{Learned, Remote};
use crate::body::Body;
use crate::negotiate::{self, Media, Shape};
use crate::pipeline::Call;
use crate::{encode, health, pipeline, reply};

use listed::Listed;
pub(crate) use published::Published;
pub(crate) use served::{Group, Served, ServedSubresource, Version, kind_of};

/// A document that is made once and sent as the same bytes to everybody.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) bytes: Bytes,
    /// Upper-case hex SHA-512 of the bytes, as upstream's.
    pub(crate) hash: String,
}

impl Document {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let hash = Sha512::digest(&bytes).iter().map(|byte| format!("{byte:02X}")).collect();
        Self { bytes, hash }
    }

    /// Answers with the document, or 304 if the client has it.
    pub(crate) fn answer(&self, content_type: &'static str, headers: &HeaderMap) -> Response<Body> {
        let tag = format!("\"{}\"", self.hash);
        let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let known = known.flat_map(|value| value.split(',')).any(|value| value.trim().trim_start_matches("W/") == tag);
        let mut response = if known {
            pipeline::bare(StatusCode::NOT_MODIFIED)
        } else {
            reply::with_type(StatusCode::OK, content_type, self.bytes.clone())
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hex digits in quotes are a header value"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        response
    }
}

/// Everything there is to discover.
pub(crate) struct Discovery {
    /// What this server serves itself.
    pub(crate) groups: Vec<Group>,
    /// With what others serve.
    listed: Vec<Listed>,
    core: Aggregated,
    named: Aggregated,
}

/// One aggregated document in both versions that clients ask for.
struct Aggregated {
    v2: Document,
    v2beta1: Document,
}

impl Discovery {
    /// Of the kinds served here, and of what others serve.
    pub(crate) fn new(resources: &[Arc<Resource>], remotes: &[(Arc<Remote>, Option<Arc<Learned>>)]) -> Self {
        let groups = served::groups(resources);
        let listed = listed::listed(&groups, remotes);
        let aggregated = |core: bool| {
            let groups: Vec<&Listed> = listed.iter().filter(|group| group.name.is_empty() == core).collect();
            let document = |version: &str| Document::new(aggregated::document(&groups, version).to_string());
            Aggregated { v2: document("apidiscovery.k8s.io/v2"), v2beta1: document("apidiscovery.k8s.io/v2beta1") }
        };
        Self { core: aggregated(true), named: aggregated(false), groups, listed }
    }

    fn listed(&self, name: &str) -> Result<&Listed, Status> {
        self.listed.iter().find(|group| group.name == name).ok_or_else(Status::path_not_found)
    }

    /// One group; the core group is the one without a name.
    fn group(&self, name: &str) -> Result<&Group, Status> {
        self.groups.iter().find(|group| group.name == name).ok_or_else(Status::path_not_found)
    }
}

/// Answers a path that is no resource.
pub(crate) async fn path(call: &Call) -> Result<Response<Body>, Status> {
    if call.method != Method::GET && call.method != Method::HEAD {
        return Err(Status::path_not_found());
    }
    let path = call.attributes.path.trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let published = call.server.published.now(&call.server.registry, &call.server.aggregation);
    let discovery = &published.discovery;
    let Discovery { listed, core, named, .. } = discovery;
    match parts[..] {
        [] => Ok(reply::json(StatusCode::OK, &legacy::paths(listed))),
        ["api"] => Ok(root(call, core, legacy::versions)?),
        ["apis"] => Ok(root(call, named, || legacy::groups(listed))?),
        ["api", version] => document(call, &legacy::resources(discovery.group("")?, version)?),
        ["apis", group] if !group.is_empty() => document(call, &legacy::group(discovery.listed(group)?)),
        ["apis", group, version] if !group.is_empty() => {
            document(call, &legacy::resources(discovery.group(group)?, version)?)
        }
        ["version"] => Ok(reply::json(StatusCode::OK, &call.server.version.document())),
        ["metrics"] => Ok(reply::with_type(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            crate::metrics::page(&call.server),
        )),
        ["openapi", "v2"] => published.openapi.answer_v2(call),
        ["openapi", "v3", ..] => published.openapi.answer(call, &parts[2..]),
        ["openid", "v1", "jwks"] => {
            let keys = call.server.tokens.jwks().to_string();
            Ok(reply::with_type(StatusCode::OK, "application/jwk-set+json", keys))
        }
        [".well-known", "openid-configuration"] => {
            let document = call.server.tokens.openid_configuration("/openid/v1/jwks");
            Ok(reply::json(StatusCode::OK, &document))
        }
        _ if health::is_health(path) => health::answer(call).await,
        _ => Err(Status::path_not_found()),
    }
}

/// `/api` or `/apis`: aggregated if the client asks for that, else the old document.
fn root(
    call: &Call,
    aggregated: &Aggregated,
    legacy: impl FnOnce() -> serde_json::Value,
) -> Result<Response<Body>, Status> {
    let allowed = |form: negotiate::Form| match form.shape {
        Shape::Discovery { .. } => form.media == Media::Json,
        Shape::Whole => form.media != Media::Protobuf,
        _ => false,
    };
    let form = negotiate::accept(&call.headers, allowed);
    match form.map(|form| form.shape) {
        Some(Shape::Discovery { beta: false }) => Ok(aggregated
            .v2
            .answer("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", &call.headers)),
        Some(Shape::Discovery { beta: true }) => Ok(aggregated
            .v2beta1
            .answer("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList", &call.headers)),
        _ => {
            let mut response = document(call, &legacy())?;
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
            Ok(response)
        }
    }
}

/// A discovery document in JSON or YAML.
fn document(call: &Call, document: &serde_json::Value) -> Result<Response<Body>, Status> {
    let form = negotiate::accept(&call.headers, |form| form.shape == Shape::Whole && form.media != Media::Protobuf)
        .ok_or_else(|| Status::not_acceptable(&["application/json, application/yaml"]))?;
    Ok(reply::with_type(StatusCode::OK, form.media.content_type(), encode::value(form.media, "", document)?))
}

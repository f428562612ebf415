//! OpenAPI: v3 as an index and one document a group version, v2 as one document in JSON or protobuf. Each is made when first asked for and
//! kept compressed.

mod custom;
mod document;
mod gnostic;
mod operations;
mod packed;
mod parameters;
mod v2;

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sampan_api::openapi::Descriptions;
use sampan_meta::Status;
use serde_json::{Map, Value, json};

use crate::aggregation::{Learned, Remote};
use crate::body::Body;
use crate::discovery::{self, Discovery, Group};
use crate::negotiate::{self, Media, Shape};
use crate::pipeline::{self, Call};
use document::Parts;
use packed::Packed;

/// The documents of one server.
pub(crate) struct OpenApi {
    versions: Vec<Arc<Version>>,
    /// Documents of others: their paths, and where they say they are.
    remote: Vec<(String, String)>,
    index: OnceLock<Packed>,
    v2_json: OnceLock<Packed>,
    v2_protobuf: OnceLock<Packed>,
}

/// A group version and its document.
struct Version {
    /// `api/v1`, `apis/apps/v1`: the path below `/openapi/v3` and below `/`.
    path: String,
    group: Group,
    name: &'static str,
    document: OnceLock<Packed>,
}

impl OpenApi {
    /// Documents that `before` has already and that stay as they are are taken over.
    pub(crate) fn new(
        discovery: &Discovery,
        remotes: &[(Arc<Remote>, Option<Arc<Learned>>)],
        before: Option<&Self>,
    ) -> Self {
        let remote = remotes.iter().filter_map(|(remote, learned)| {
            let url = learned.as_ref()?.openapi.clone()?;
            Some((format!("apis/{}/{}", remote.group, remote.version), url))
        });
        let known = |wanted: &Version| {
            before.into_iter().flat_map(|before| &before.versions).find(|known| known.same(wanted)).cloned()
        };
        let versions = discovery.groups.iter().flat_map(|group| {
            group.versions.iter().map(|version| {
                let wanted = Version {
                    path: path_of(group, version.name),
                    group: group.clone(),
                    name: version.name,
                    document: OnceLock::new(),
                };
                known(&wanted).unwrap_or_else(|| Arc::new(wanted))
            })
        });
        Self {
            versions: versions.collect(),
            remote: remote.collect(),
            index: OnceLock::new(),
            v2_json: OnceLock::new(),
            v2_protobuf: OnceLock::new(),
        }
    }

    /// Answers `/openapi/v3` and what is below.
    pub(crate) fn answer(&self, call: &Call, below: &[&str]) -> Result<Response<Body>, Status> {
        let json = negotiate::accept(&call.headers, |form| form.shape == Shape::Whole && form.media == Media::Json);
        if json.is_none() {
            return Err(Status::not_acceptable(&["application/json"]));
        }
        let version = &call.server.version.git_version;
        if below.is_empty() {
            return Ok(self.index(version).answer(Media::Json.content_type(), &call.headers));
        }
        let path = below.join("/");
        let found = self.versions.iter().find(|known| known.path == path).ok_or_else(Status::path_not_found)?;
        let document = found.document(version, Descriptions::read);
        match call.query.get("hash") {
            Some(hash) if hash != document.hash => Ok(moved(&path, &document.hash)),
            hash => {
                let mut response = document.answer(Media::Json.content_type(), &call.headers);
                if hash.is_some() {
                    let forever = HeaderValue::from_static("public, immutable, max-age=31536000");
                    response.headers_mut().insert(header::CACHE_CONTROL, forever);
                }
                Ok(response)
            }
        }
    }

    /// Answers `/openapi/v2`.
    pub(crate) fn answer_v2(&self, call: &Call) -> Result<Response<Body>, Status> {
        let version = &call.server.version.git_version;
        match accepted_v2(&call.headers) {
            Some(V2::Json) => {
                let document = self.v2_json.get_or_init(|| Packed::new(self.v2(version).to_string().as_bytes()));
                Ok(document.answer(Media::Json.content_type(), &call.headers))
            }
            Some(V2::Protobuf) => {
                let document = self.v2_protobuf.get_or_init(|| Packed::new(&gnostic::encode(&self.v2(version))));
                Ok(document.answer(gnostic::CONTENT_TYPE, &call.headers))
            }
            None => Err(Status::not_acceptable(&["application/json", gnostic::CONTENT_TYPE])),
        }
    }

    fn v2(&self, server_version: &str) -> Value {
        let mut parts = Parts::new();
        for version in &self.versions {
            version.add_to(&mut parts);
        }
        let components = parts.components_v2(&Descriptions::read());
        v2::document(parts.paths, components, server_version)
    }

    fn index(&self, version: &str) -> &Packed {
        self.index.get_or_init(|| {
            // Read once for all documents that are still to be made.
            let descriptions = OnceLock::new();
            let mut paths = Map::new();
            for known in &self.versions {
                let document = known.document(version, || descriptions.get_or_init(Descriptions::read));
                paths.insert(known.path.clone(), json!({ "serverRelativeURL": url(&known.path, &document.hash) }));
            }
            for (path, url) in &self.remote {
                paths.insert(path.clone(), json!({ "serverRelativeURL": url }));
            }
            Packed::new(json!({ "paths": paths }).to_string().as_bytes())
        })
    }
}

impl Version {
    /// Whether both are about the same.
    fn same(&self, other: &Self) -> bool {
        let own = |version: &Self| version.group.versions.iter().find(|own| own.name == version.name).cloned();
        self.path == other.path && own(self) == own(other)
    }

    fn document<D: std::borrow::Borrow<Descriptions>>(
        &self,
        server_version: &str,
        descriptions: impl FnOnce() -> D,
    ) -> &Packed {
        self.document.get_or_init(|| {
            let mut parts = Parts::new();
            self.add_to(&mut parts);
            Packed::new(document::v3(parts, descriptions().borrow(), server_version).to_string().as_bytes())
        })
    }

    fn add_to(&self, parts: &mut Parts) {
        let own = |version: &&discovery::Version| version.name == self.name;
        self.group.versions.iter().filter(own).for_each(|version| parts.add(&self.path, &self.group, version));
    }
}

/// The forms of the v2 document.
#[derive(Debug, PartialEq, Eq)]
enum V2 {
    Json,
    Protobuf,
}

/// The first form the client accepts; JSON if it does not say. Quality values are not looked at, as upstream's handler does not
/// (kube-openapi `pkg/handler`).
fn accepted_v2(headers: &HeaderMap) -> Option<V2> {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return Some(V2::Json);
    }
    let clauses = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    clauses.filter_map(|clause| clause.split(';').next()).find_map(|media| match media.trim() {
        "application/json" | "application/*" | "*/*" => Some(V2::Json),
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" | gnostic::CONTENT_TYPE => Some(V2::Protobuf),
        _ => None,
    })
}

fn path_of(group: &Group, version: &str) -> String {
    let root = if group.name.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", group.group_version(version))
}

fn url(path: &str, hash: &str) -> String {
    format!("/openapi/v3/{path}?hash={hash}")
}

/// The client knows an older index; the document has another hash now.
fn moved(path: &str, hash: &str) -> Response<Body> {
    let mut response = pipeline::bare(StatusCode::MOVED_PERMANENTLY);
    if let Ok(location) = HeaderValue::from_str(&url(path, hash)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

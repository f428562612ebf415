//! OpenAPI v3: an index, and one document a group version, made when first asked for and kept as bytes.

mod document;
mod operations;
mod parameters;

use std::sync::OnceLock;

use http::{HeaderValue, Response, StatusCode, header};
use sampan_meta::Status;
use serde_json::{Map, json};

use crate::body::Body;
use crate::discovery::{Discovery, Document, Group};
use crate::negotiate::{self, Media, Shape};
use crate::pipeline::{self, Call};

/// The documents of one server.
pub(crate) struct OpenApi {
    versions: Vec<Version>,
    index: OnceLock<Document>,
}

/// A group version and its document.
struct Version {
    /// `api/v1`, `apis/apps/v1`: the path below `/openapi/v3` and below `/`.
    path: String,
    group: Group,
    name: &'static str,
    document: OnceLock<Document>,
}

impl OpenApi {
    pub(crate) fn new(discovery: &Discovery) -> Self {
        let versions = discovery.groups.iter().flat_map(|group| {
            group.versions.iter().map(|version| Version {
                path: path_of(group, version.name),
                group: group.clone(),
                name: version.name,
                document: OnceLock::new(),
            })
        });
        Self { versions: versions.collect(), index: OnceLock::new() }
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
        let document = found.document(version);
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

    fn index(&self, version: &str) -> &Document {
        self.index.get_or_init(|| {
            let mut paths = Map::new();
            for known in &self.versions {
                let url = url(&known.path, &known.document(version).hash);
                paths.insert(known.path.clone(), json!({ "serverRelativeURL": url }));
            }
            Document::new(json!({ "paths": paths }).to_string())
        })
    }
}

impl Version {
    fn document(&self, server_version: &str) -> &Document {
        self.document.get_or_init(|| {
            let resources = self.group.versions.iter().filter(|version| version.name == self.name);
            let resources = resources.flat_map(|version| &version.resources);
            Document::new(document::of(&self.path, self.group.name, self.name, resources, server_version).to_string())
        })
    }
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

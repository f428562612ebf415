//! Requests in, answers out, through the real router and a real directory.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::name::Digest;
use crate::{Anybody, Authorize, Limits, Registry};

mod access;
mod concurrency;
mod manifests;
mod names;
mod restart;
mod uploads;

pub(super) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(super) struct Fixture {
    pub(super) directory: Arc<tempfile::TempDir>,
    pub(super) router: Router,
    headers: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `CODE: message` of an error in the specification's form.
    pub(super) fn error(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json");
        let error = self.json()["errors"][0].clone();
        format!("{}: {}", error["code"].as_str().unwrap(), error["message"].as_str().unwrap())
    }
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(Arc::new(Anybody), Limits::default())
    }

    pub(super) fn with(authorize: Arc<dyn Authorize>, limits: Limits) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let router = Registry::open(directory.path(), authorize, limits).unwrap().router();
        Self { directory, router, headers: Vec::new() }
    }

    /// The same registry after its process ended and began again.
    pub(super) fn restarted(self) -> Self {
        let Self { directory, router, headers } = self;
        drop(router);
        let router = Registry::open(directory.path(), Arc::new(Anybody), Limits::default()).unwrap().router();
        Self { directory, router, headers }
    }

    /// The same registry, with a header in every request.
    pub(super) fn showing(&self, name: &str, value: &str) -> Self {
        let headers = vec![(name.to_owned(), value.to_owned())];
        Self { directory: self.directory.clone(), router: self.router.clone(), headers }
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Body::empty()).await
    }

    pub(super) async fn push_blob(&self, name: &str, content: &[u8]) -> Answer {
        let path = format!("/v2/{name}/blobs/uploads/?digest={}", Digest::of(content));
        self.send("POST", &path, content.to_vec()).await
    }

    pub(super) async fn push_manifest(&self, name: &str, reference: &str, manifest: &Value) -> Answer {
        let media_type = manifest["mediaType"].as_str().unwrap_or(IMAGE);
        let path = format!("/v2/{name}/manifests/{reference}");
        self.showing("content-type", media_type).send("PUT", &path, manifest.to_string()).await
    }

    /// An artifact of one layer, whole.
    pub(super) async fn push_image(&self, name: &str, tag: &str, layer: &[u8]) -> Answer {
        for blob in [b"{}".as_slice(), layer] {
            assert_eq!(self.push_blob(name, blob).await.status, StatusCode::CREATED);
        }
        self.push_manifest(name, tag, &image(layer)).await
    }

    pub(super) async fn begin(&self, name: &str) -> String {
        let answer = self.send("POST", &format!("/v2/{name}/blobs/uploads/"), Body::empty()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        answer.header("location").to_owned()
    }
}

pub(super) fn image(layer: &[u8]) -> Value {
    let descriptor = |media_type: &str, content: &[u8]| json!({ "mediaType": media_type, "digest": Digest::of(content).to_string(), "size": content.len() });
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor("application/vnd.wasm.config.v0+json", b"{}"),
        "layers": [descriptor("application/wasm", layer)],
    })
}

#[tokio::test]
async fn clients_find_the_registry() {
    let fixture = Fixture::new();
    for path in ["/v2/", "/v2"] {
        let answer = fixture.get(path).await;
        assert_eq!((answer.status, answer.header("docker-distribution-api-version")), (StatusCode::OK, "registry/2.0"));
    }
}

#[tokio::test]
async fn a_blob_is_read_whole_and_in_parts() {
    let fixture = Fixture::new();
    let content: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let path = format!("/v2/a/b/blobs/{}", Digest::of(&content));
    assert_eq!(fixture.push_blob("a/b", &content).await.header("location"), path);
    let whole = fixture.get(&path).await;
    assert_eq!((whole.status, &whole.body[..]), (StatusCode::OK, &content[..]));
    assert_eq!(whole.header("docker-content-digest"), Digest::of(&content).to_string());
    let head = fixture.send("HEAD", &path, Body::empty()).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (StatusCode::OK, "200000", 0));
    let part = fixture.showing("range", "bytes=100000-150000").get(&path).await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &content[100_000..=150_000]));
    assert_eq!((part.header("content-range"), part.header("content-length")), ("bytes 100000-150000/200000", "50001"));
    let beyond = fixture.showing("range", "bytes=200000-").get(&path).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */200000"));
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let fixture = Fixture::new();
    assert_eq!(fixture.push_blob("a", b"").await.status, StatusCode::CREATED);
    let answer = fixture.get(&format!("/v2/a/blobs/{}", Digest::of(b""))).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn a_blob_of_one_repository_is_none_of_another() {
    let fixture = Fixture::new();
    fixture.push_blob("mine", b"secret").await;
    let digest = Digest::of(b"secret");
    for name in ["yours", "mine/too"] {
        let answer = fixture.get(&format!("/v2/{name}/blobs/{digest}")).await;
        assert_eq!(
            (answer.status, answer.error()),
            (StatusCode::NOT_FOUND, format!("BLOB_UNKNOWN: repository {name} has no blob {digest}"))
        );
    }
}

#[tokio::test]
async fn what_is_deleted_is_gone_here_and_stays_elsewhere() {
    let fixture = Fixture::new();
    let path = |name: &str| format!("/v2/{name}/blobs/{}", Digest::of(b"x"));
    for name in ["a", "b"] {
        fixture.push_blob(name, b"x").await;
    }
    assert_eq!(fixture.send("DELETE", &path("a"), Body::empty()).await.status, StatusCode::ACCEPTED);
    assert_eq!(fixture.get(&path("a")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.send("DELETE", &path("a"), Body::empty()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(&path("b")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn methods_that_mean_nothing_are_refused() {
    let fixture = Fixture::new();
    let digest = Digest::of(b"x");
    for path in [
        format!("/v2/a/blobs/{digest}"),
        "/v2/a/manifests/x".to_owned(),
        "/v2/a/tags/list".to_owned(),
        format!("/v2/a/referrers/{digest}"),
        "/v2/a/blobs/uploads/".to_owned(),
    ] {
        let answer = fixture.send("OPTIONS", &path, Body::empty()).await;
        assert_eq!(
            (answer.status, answer.error()),
            (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED: OPTIONS is not supported here".to_owned())
        );
    }
}

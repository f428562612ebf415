//! An OCI registry on loopback that serves the images it is given.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use parking_lot::Mutex;
use sampan_containers::testing::Image;

pub(crate) struct Registry {
    host: String,
    content: Arc<Content>,
}

#[derive(Default)]
struct Content {
    /// Type and bytes by path below `/v2/`.
    answers: Mutex<HashMap<String, (&'static str, Vec<u8>)>>,
    /// `user:password` that is asked for, when set.
    login: Mutex<Option<String>>,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let content = Arc::new(Content::default());
        let app = axum::Router::new().fallback(answer).with_state(content.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { host, content }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// From now on only this user gets anything.
    pub(crate) fn protect(&self, login: &str) {
        *self.content.login.lock() = Some(login.to_owned());
    }

    /// Publishes the image under tag 1 and answers the reference.
    pub(crate) fn push(&self, name: &str, image: &Image) -> String {
        let mut answers = self.content.answers.lock();
        for blob in [&image.config, &image.layer] {
            answers.insert(format!("{name}/blobs/{}", digest(blob)), ("application/octet-stream", blob.clone()));
        }
        for tag in [digest(&image.manifest), "1".to_owned()] {
            answers.insert(format!("{name}/manifests/{tag}"), (Image::MANIFEST_TYPE, image.manifest.clone()));
        }
        format!("{}/{name}:1", self.host)
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

async fn answer(State(content): State<Arc<Content>>, request: Request) -> Response {
    if let Some(login) = &*content.login.lock() {
        let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login));
        let shown = request.headers().get("authorization").and_then(|shown| shown.to_str().ok());
        if shown != Some(expected.as_str()) {
            return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"test\"")]).into_response();
        }
    }
    let path = request.uri().path().trim_start_matches("/v2/");
    let Some((kind, bytes)) = content.answers.lock().get(path).cloned() else {
        let code = if path.is_empty() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        return code.into_response();
    };
    let headers = [
        ("content-type", kind.to_owned()),
        ("docker-content-digest", digest(&bytes)),
        ("content-length", bytes.len().to_string()),
    ];
    let body = if request.method() == "HEAD" { Body::empty() } else { Body::from(bytes) };
    (headers, body).into_response()
}
